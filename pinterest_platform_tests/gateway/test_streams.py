"""The Kinesis half: a real gateway before moto's server and before AWS's errors."""

import itertools
import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from pinterest_platform_tests.gateway.aws import SECRET, Aws, Fault, running_aws
from pinterest_platform_tests.gateway.conftest import DEADLINE_SECONDS, Gateway

NUMBERS = itertools.count()
TEXT = 'emoji 👩‍🎨 日本語 "quoted" \\ \n end'


@pytest.fixture(scope="module")
def kinesis() -> Iterator[tuple[Aws, dict[str, str]]]:
    with running_aws() as running:
        yield running


@pytest.fixture(scope="module")
def environment(kinesis: tuple[Aws, dict[str, str]]) -> dict[str, str]:
    return kinesis[1]


@pytest.fixture(scope="module")
def gateway(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with Gateway(str(tmp_path_factory.mktemp("landing")), **environment) as gateway:
        yield gateway


@pytest.fixture
def aws(kinesis: tuple[Aws, dict[str, str]]) -> Iterator[Aws]:
    aws = kinesis[0]
    aws.asked.clear()
    yield aws
    aws.faults.clear()


@pytest.fixture
def stream(aws: Aws) -> str:
    """A stream of this test's own, of two shards."""
    name = f"stream-{next(NUMBERS)}"
    aws.client.create_stream(StreamName=name, ShardCount=2)
    return name


def ask(gateway: Gateway, method: str, path: str, body: Any = None) -> requests.Response:
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    return requests.request(method, f"{gateway.url}{path}", data=data, timeout=DEADLINE_SECONDS)


def put(gateway: Gateway, stream: str, body: Any) -> requests.Response:
    return ask(gateway, "PUT", f"/streams/{stream}/record", body)


def put_all(gateway: Gateway, stream: str, records: Any) -> requests.Response:
    return ask(gateway, "PUT", f"/streams/{stream}/records", {"records": records})


def error(answer: requests.Response) -> tuple[int, str]:
    assert list(answer.json()) == ["__type", "message"]
    assert SECRET not in answer.text
    return answer.status_code, answer.json()["__type"]


def test_a_stream_is_created_listed_described_and_deleted(aws: Aws, gateway: Gateway) -> None:
    created = ask(gateway, "POST", "/streams/round-trip", {"ShardCount": 3})
    assert (created.status_code, created.json()) == (200, {})
    assert "round-trip" in ask(gateway, "GET", "/streams").json()["StreamNames"]

    description = ask(gateway, "GET", "/streams/round-trip").json()["StreamDescription"]
    assert (description["StreamName"], description["StreamStatus"]) == ("round-trip", "ACTIVE")
    assert len(description["Shards"]) == 3
    assert description["StreamCreationTimestamp"] > 1.7e9

    assert ask(gateway, "DELETE", "/streams/round-trip").status_code == 200
    assert error(ask(gateway, "GET", "/streams/round-trip")) == (404, "ResourceNotFoundException")
    assert "round-trip" not in ask(gateway, "GET", "/streams").json()["StreamNames"]


@pytest.mark.parametrize("body", [b"", b"{}", {"StreamName": "one-shard"}])
def test_a_stream_has_one_shard_unless_said(aws: Aws, gateway: Gateway, body: Any) -> None:
    assert ask(gateway, "POST", "/streams/one-shard", body).status_code == 200
    assert aws.asked == [("CreateStream", {"StreamName": "one-shard", "ShardCount": 1})]
    assert ask(gateway, "DELETE", "/streams/one-shard").status_code == 200


def test_all_pages_are_listed(aws: Aws, gateway: Gateway) -> None:
    names = [f"many-{number:02}" for number in range(25)]
    for name in names:
        aws.client.create_stream(StreamName=name, ShardCount=1)

    listed = ask(gateway, "GET", "/streams").json()

    assert aws.count("ListStreams") >= 3
    assert [name for name in listed["StreamNames"] if name.startswith("many-")] == names
    assert listed["HasMoreStreams"] is False


def test_all_pages_of_shards_are_described(aws: Aws, gateway: Gateway, stream: str) -> None:
    page = {"StreamName": stream, "Shards": [{"ShardId": "first"}], "HasMoreShards": True}
    body = json.dumps({"StreamDescription": page}).encode()
    aws.faults.append(Fault("DescribeStream", 200, body))

    description = ask(gateway, "GET", f"/streams/{stream}").json()["StreamDescription"]

    assert [shard["ShardId"] for shard in description["Shards"]] == [
        "first",
        "shardId-000000000000",
        "shardId-000000000001",
    ]
    assert description["HasMoreShards"] is False
    assert aws.asked[1][1]["ExclusiveStartShardId"] == "first"


def test_a_record_of_an_object_arrives_as_compact_json(
    aws: Aws, gateway: Gateway, stream: str
) -> None:
    data = f'{{"b" : 1.10, "a": ["\\u00fc", {json.dumps(TEXT)}]}}'
    body = f'{{"StreamName": "{stream}", "PartitionKey": "k", "Data": \n{data} }}'

    answer = put(gateway, stream, body.encode())

    assert answer.status_code == 200
    [record] = aws.records(stream)
    expected = json.dumps(TEXT, ensure_ascii=False)
    assert record["Data"].decode() == f'{{"b":1.10,"a":["ü",{expected}]}}'
    assert record["PartitionKey"] == "k"
    assert answer.json()["SequenceNumber"] == record["SequenceNumber"]
    assert answer.json()["ShardId"] == record["ShardId"]
    assert "ResponseMetadata" not in answer.json()


@pytest.mark.parametrize("text", [TEXT, "", '{"as": "it is" }', "a\x00b\r\n"])
def test_a_record_of_a_string_arrives_as_its_utf8(
    aws: Aws, gateway: Gateway, stream: str, text: str
) -> None:
    assert put(gateway, stream, {"Data": text, "PartitionKey": "é"}).status_code == 200
    assert aws.data(stream) == [text.encode()]


def test_records_arrive_under_both_spellings(aws: Aws, gateway: Gateway, stream: str) -> None:
    answer = put_all(
        gateway,
        stream,
        [
            {"data": {"n": 0, "t": TEXT}, "partition-key": "a"},
            {"Data": TEXT, "PartitionKey": "a"},
            {"data": {}, "PartitionKey": "a", "unknown": [1]},
        ],
    )

    assert (answer.status_code, answer.json()["FailedRecordCount"]) == (200, 0)
    assert aws.data(stream) == [
        json.dumps({"n": 0, "t": TEXT}, ensure_ascii=False, separators=(",", ":")).encode(),
        TEXT.encode(),
        b"{}",
    ]
    assert [record["SequenceNumber"] for record in answer.json()["Records"]] == [
        record["SequenceNumber"] for record in aws.records(stream)
    ]
    body = {"StreamName": stream, "Records": [{"Data": "x", "PartitionKey": "a"}]}
    assert ask(gateway, "PUT", f"/streams/{stream}/records", body).status_code == 200
    assert aws.data(stream)[3] == b"x"


def test_a_record_that_failed_is_told_beside_the_others(
    aws: Aws, gateway: Gateway, stream: str
) -> None:
    results = {
        "FailedRecordCount": 1,
        "Records": [
            {"SequenceNumber": "1", "ShardId": "s"},
            {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slowly"},
        ],
    }
    aws.faults.append(Fault("PutRecords", 200, json.dumps(results).encode()))
    answer = put_all(gateway, stream, [{"data": "x", "partition-key": "a"}] * 2)
    assert (answer.status_code, answer.json()) == (200, results)


def test_limits_are_kept_to_the_byte(aws: Aws, gateway: Gateway, stream: str) -> None:
    key = "k" * 256
    largest = {"Data": "x" * (1_048_576 - 256), "PartitionKey": key}
    small = {"data": "x", "partition-key": "k"}
    longer = largest | {"Data": f"{largest['Data']}x"}
    assert put(gateway, stream, largest).status_code == 200
    assert error(put(gateway, stream, longer)) == (413, "ValidationException")
    assert error(put_all(gateway, stream, [small, longer])) == (413, "ValidationException")
    assert put_all(gateway, stream, [largest] * 5).status_code == 200
    assert error(put_all(gateway, stream, [*[largest] * 5, small])) == (
        413,
        "InvalidArgumentException",
    )
    assert put_all(gateway, stream, [small] * 500).status_code == 200
    assert error(put_all(gateway, stream, [small] * 501)) == (400, "ValidationException")
    assert (aws.count("PutRecord"), aws.count("PutRecords")) == (1, 2)


def test_a_body_over_ten_mebibytes_is_413(gateway: Gateway) -> None:
    answer = put(gateway, "any", b" " * (10 * 1024 * 1024 + 1))
    assert error(answer) == (413, "RequestTooLargeException")


@pytest.mark.parametrize(
    ("path", "body", "kind", "said"),
    [
        ("s/record", b"{", "SerializationException", "is not JSON"),
        ("s/record", b'{"Data": "x", "PartitionKey": "k"} x', "SerializationException", "the end"),
        ("s/record", b'{"Data": {"a": NaN}}', "SerializationException", "NaN"),
        ("s/record", b"\xff", "SerializationException", "not UTF-8"),
        ("s/record", b"", "SerializationException", "is not JSON"),
        ("s/record", b"[]", "ValidationException", "'Data' and 'PartitionKey'"),
        ("s/record", b'{"PartitionKey": "k"}', "ValidationException", "no 'Data'"),
        ("s/record", b'{"Data": "x"}', "ValidationException", "no 'PartitionKey'"),
        ("s/record", b'{"Data": [1], "PartitionKey": "k"}', "ValidationException", "'Data' that"),
        ("s/record", b'{"Data": "x", "PartitionKey": 1}', "ValidationException", "'PartitionKey'"),
        ("s/record", b'{"Data": "x", "PartitionKey": ""}', "ValidationException", "'PartitionKey'"),
        (
            "s/record",
            b'{"Data": "x", "PartitionKey": "%s"}' % (b"k" * 257),
            "ValidationException",
            "256 characters",
        ),
        (
            "s/record",
            b'{"Data": "\\ud800", "PartitionKey": "k"}',
            "ValidationException",
            "lone surrogate",
        ),
        (
            "s/record",
            b'{"Data": "x", "PartitionKey": "k", "StreamName": "t"}',
            "ValidationException",
            "'StreamName' is not",
        ),
        ("s/records", b"[]", "ValidationException", "'records'"),
        ("s/records", b"{}", "ValidationException", "needs 'records'"),
        ("s/records", b'{"records": []}', "ValidationException", "needs 'records'"),
        ("s/records", b'{"records": {}}', "ValidationException", "needs 'records'"),
        (
            "s/records",
            b'{"records": [{"data": "x", "partition-key": "k"}, {"data": "x"}]}',
            "ValidationException",
            "record 1 has no 'PartitionKey'",
        ),
    ],
)
def test_a_body_that_is_no_record_is_400_and_says_what_is_wrong(
    aws: Aws, gateway: Gateway, path: str, body: bytes, kind: str, said: str
) -> None:
    answer = ask(gateway, "PUT", f"/streams/{path}", body)
    assert error(answer) == (400, kind)
    assert said in answer.json()["message"]
    assert aws.asked == []


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{", {"ShardCount": 0}, {"ShardCount": "2"}, {"ShardCnt": 2}, {"StreamName": 1}],
)
def test_a_stream_is_not_created_from_what_is_not_understood(
    aws: Aws, gateway: Gateway, body: Any
) -> None:
    assert ask(gateway, "POST", "/streams/s", body).status_code == 400
    assert aws.asked == []


def test_errors_of_aws_keep_their_name(gateway: Gateway, stream: str) -> None:
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
def test_errors_become_the_status_of_an_api_gateway(
    aws: Aws, gateway: Gateway, stream: str, code: str, aws_status: int, status: int
) -> None:
    aws.faults.extend([Fault.error("PutRecord", code, status=aws_status)] * 2)
    assert error(put(gateway, stream, {"Data": "x", "PartitionKey": "k"})) == (status, code)
    # The second attempt is the last one.
    assert len(aws.asked) <= 2


def test_what_passes_with_a_second_attempt_is_not_an_error(
    aws: Aws, gateway: Gateway, stream: str
) -> None:
    aws.faults.append(Fault.error("PutRecord", "ThrottlingException"))
    assert put(gateway, stream, {"Data": "x", "PartitionKey": "k"}).status_code == 200
    assert aws.data(stream) == [b"x"]


def test_a_signature_that_aws_quotes_is_not_repeated(
    aws: Aws, gateway: Gateway, stream: str
) -> None:
    quoted = f"The Canonical String should have been 'POST / x-amz-security-token:{SECRET}'"
    aws.faults.append(Fault.error("PutRecord", "InvalidSignatureException", quoted))
    answer = put(gateway, stream, {"Data": "x", "PartitionKey": "k"})
    assert error(answer) == (403, "InvalidSignatureException")
    assert "x-amz" not in answer.text


@pytest.mark.parametrize("strange", [(200, b"<html>welcome"), (200, b"{}"), (404, b"<html>")])
def test_what_is_not_kinesis_acknowledges_nothing(
    aws: Aws, gateway: Gateway, stream: str, strange: tuple[int, bytes]
) -> None:
    aws.faults.append(Fault("PutRecord", *strange))
    answer = put(gateway, stream, {"Data": "x", "PartitionKey": "k"})
    assert error(answer) == (502, "BadGatewayException")


def test_a_kinesis_that_hangs_holds_up_no_topic(aws: Aws, gateway: Gateway, stream: str) -> None:
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


def test_an_endpoint_that_cannot_be_reached_is_503_and_topics_go_on(
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
    ("without", "more", "status", "said"),
    [
        ("AWS_REGION", {}, 503, "set AWS_REGION or AWS_DEFAULT_REGION"),
        ("AWS_REGION", {"AWS_DEFAULT_REGION": "us-east-1"}, 200, ""),
        ("AWS_ACCESS_KEY_ID", {}, 403, "there are no AWS credentials"),
        ("", {"AWS_ENDPOINT_URL": "nowhere"}, 503, "AWS_ENDPOINT_URL"),
        ("", {"AWS_PROFILE": "none-such"}, 503, "none-such"),
    ],
)
def test_what_is_not_configured_is_said_when_a_stream_is_asked_for(
    environment: dict[str, str],
    tmp_path: Path,
    without: str,
    more: dict[str, str],
    status: int,
    said: str,
) -> None:
    kept = {name: value for name, value in environment.items() if name != without}
    if without == "AWS_ACCESS_KEY_ID":
        del kept["AWS_SECRET_ACCESS_KEY"]
    own = {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    with Gateway(str(tmp_path / "landing"), **kept | own | more) as gateway:
        answer = ask(gateway, "GET", "/streams")
        assert answer.status_code == status
        assert re.search(said, answer.text)
        gateway.terminate()
        assert gateway.output() == (0, "", "")


def test_other_methods_are_refused(gateway: Gateway) -> None:
    assert ask(gateway, "PUT", "/streams").status_code == 405
    assert ask(gateway, "GET", "/streams/s/record").status_code == 405
