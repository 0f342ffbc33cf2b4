"""The gateway's answers when Kinesis refuses, answers nonsense, or does not answer."""

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from pinterest_platform_tests.gateway.aws import SECRET, Aws, Fault
from pinterest_platform_tests.gateway.conftest import Gateway
from pinterest_platform_tests.gateway.streams.conftest import ask, error, put


def test_errors_keep_their_aws_name(gateway: Gateway, stream: str) -> None:
    missing = put(gateway, "missing", {"Data": "x", "PartitionKey": "k"})
    assert error(missing) == (404, "ResourceNotFoundException")
    assert "missing" in missing.json()["message"]
    assert error(ask(gateway, "DELETE", "/streams/missing"))[0] == 404
    again = ask(gateway, "POST", f"/streams/{stream}")
    assert error(again) == (400, "ResourceInUseException")


@pytest.mark.parametrize(
    ("code", "aws_status", "status"),
    [
        ("ProvisionedThroughputExceededException", 400, 429),
        ("ThrottlingException", 400, 429),
        ("LimitExceededException", 400, 400),
        ("InvalidArgumentException", 400, 400),
        ("ValidationException", 400, 400),
        ("AccessDeniedException", 400, 403),
        ("UnrecognizedClientException", 400, 403),
        ("InternalFailure", 500, 500),
        ("ServiceUnavailable", 503, 503),
    ],
)
def test_errors_have_the_status_of_api_gateway(
    aws: Aws, gateway: Gateway, stream: str, code: str, aws_status: int, status: int
) -> None:
    aws.faults.extend([Fault.error("PutRecord", code, status=aws_status)] * 2)
    assert error(put(gateway, stream, {"Data": "x", "PartitionKey": "k"})) == (status, code)
    # The second attempt is the last one.
    assert len(aws.calls) <= 2


def test_an_error_before_a_successful_retry_is_not_reported(
    aws: Aws, gateway: Gateway, stream: str
) -> None:
    aws.faults.append(Fault.error("PutRecord", "ThrottlingException"))
    assert put(gateway, stream, {"Data": "x", "PartitionKey": "k"}).status_code == 200
    assert aws.data(stream) == [b"x"]


def test_a_signature_in_an_error_of_aws_is_not_repeated(
    aws: Aws, gateway: Gateway, stream: str
) -> None:
    quoted = f"The Canonical String should have been 'POST / x-amz-security-token:{SECRET}'"
    aws.faults.append(Fault.error("PutRecord", "InvalidSignatureException", quoted))
    answer = put(gateway, stream, {"Data": "x", "PartitionKey": "k"})
    assert error(answer) == (403, "InvalidSignatureException")
    assert "x-amz" not in answer.text


@pytest.mark.parametrize("strange", [(200, b"<html>welcome"), (200, b"{}"), (404, b"<html>")])
def test_a_foreign_answer_acknowledges_nothing(
    aws: Aws, gateway: Gateway, stream: str, strange: tuple[int, bytes]
) -> None:
    aws.faults.append(Fault("PutRecord", *strange))
    answer = put(gateway, stream, {"Data": "x", "PartitionKey": "k"})
    assert error(answer) == (502, "BadGatewayException")


def test_a_hanging_kinesis_does_not_block_topics(aws: Aws, gateway: Gateway, stream: str) -> None:
    aws.answering.clear()
    body = {"Data": "x", "PartitionKey": "k"}
    try:
        with ThreadPoolExecutor(17) as threads:
            waiting = [threads.submit(put, gateway, stream, body) for _ in range(16)]
            aws.wait_for("PutRecord", 16)
            late = put(gateway, stream, body)
            assert gateway.post([{"value": 1}]).status_code == 200
            aws.answering.set()
            assert {answer.result().status_code for answer in waiting} == {200}
    finally:
        aws.answering.set()
    assert error(late) == (503, "ServiceUnavailableException")
    assert len(aws.data(stream)) == 16


def test_an_unreachable_endpoint_is_503_and_topics_work(
    environment: dict[str, str], landing: Path
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    endpoint = f"http://user:{SECRET}@127.0.0.1:{port}"
    with Gateway(str(landing), **environment | {"AWS_ENDPOINT_URL": endpoint}) as gateway:
        answer = ask(gateway, "GET", "/streams")
        assert error(answer) == (503, "ServiceUnavailableException")
        assert f"http://127.0.0.1:{port}" in answer.json()["message"]
        assert answer.headers["Retry-After"] == "5"
        assert gateway.post([{"value": 1}]).status_code == 200


@pytest.mark.parametrize(
    ("without", "more", "status", "message"),
    [
        ("AWS_REGION", {}, 503, "set AWS_REGION or AWS_DEFAULT_REGION"),
        ("AWS_REGION", {"AWS_DEFAULT_REGION": "us-east-1"}, 200, ""),
        ("AWS_ACCESS_KEY_ID", {}, 403, "there are no AWS credentials"),
        ("", {"AWS_PROFILE": "none-such"}, 503, "none-such"),
    ],
)
def test_a_missing_configuration_is_an_error_of_stream_requests_only(
    environment: dict[str, str],
    tmp_path: Path,
    without: str,
    more: dict[str, str],
    status: int,
    message: str,
) -> None:
    kept = {name: value for name, value in environment.items() if name != without}
    if without == "AWS_ACCESS_KEY_ID":
        del kept["AWS_SECRET_ACCESS_KEY"]
    own = {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    with Gateway(str(tmp_path / "landing"), **kept | own | more) as gateway:
        answer = ask(gateway, "GET", "/streams")
        assert answer.status_code == status
        assert re.search(message, answer.text)
        gateway.terminate()
        assert gateway.output() == (0, "", "")


def test_other_methods_are_refused(gateway: Gateway) -> None:
    assert ask(gateway, "PUT", "/streams").status_code == 405
    assert ask(gateway, "GET", "/streams/s/record").status_code == 405
