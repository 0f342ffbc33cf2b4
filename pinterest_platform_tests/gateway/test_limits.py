"""Limits on the size and concurrency of requests, and their effect on other requests."""

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from pinterest_platform.gateway.bodies import MAX_BODY_BYTES
from pinterest_platform.gateway.topic_bodies import MAX_RECORDS
from pinterest_platform_tests.gateway.conftest import Gateway

# The memory of a gateway in deploy/ and infra/.
MEMORY_MIB = 512

RECORD = b'{"value":{"a":"' + b"x" * 1100 + b'"}}'
LARGEST = b'{"records":[' + b",".join([RECORD] * (MAX_BODY_BYTES // (len(RECORD) + 1) - 1)) + b"]}"

# Hostile values of the largest allowed size: small parts that become large objects, and white space
# and escapes that are removed.
HOSTILE = {
    "lists": b"[]",
    "objects": b"{}",
    "nested": b"[[]]",
    "strings": b'"a"',
    "escapes": rb'"\n"',
    "needless escapes": rb'"\u0041"',
    "blanks": b"  1",
}


def peak_mib(gateway: Gateway) -> int:
    """The peak memory of the process."""
    status = Path(f"/proc/{gateway.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024


@pytest.mark.parametrize(("records", "status"), [(MAX_RECORDS, 200), (MAX_RECORDS + 1, 413)])
def test_the_number_of_records_has_a_limit(shared: Gateway, records: int, status: int) -> None:
    answer = shared.post([{"value": n} for n in range(records)])

    assert answer.status_code == status
    assert status == 200 or answer.json() == {
        "error_code": 413,
        "message": f"the body has more than {MAX_RECORDS} records: send fewer in a request",
    }


def test_a_body_full_of_records_is_refused_before_a_client_times_out(shared: Gateway) -> None:
    started = time.monotonic()

    assert shared.post_body(b'{"records":[' + b'{"value":1},' * 800_000 + b"]}").status_code == 413

    assert time.monotonic() - started < 10


def test_concurrent_large_bodies_are_answered_or_503_within_the_memory(shared: Gateway) -> None:
    def post(_: int) -> requests.Response:
        return shared.post_body(LARGEST)

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(post, range(50)))

    assert {answer.status_code for answer in answers} == {200, 503}
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert (refused.headers["Retry-After"], refused.json()["error_code"]) == ("5", 50302)
    assert peak_mib(shared) < MEMORY_MIB


def test_large_bodies_without_a_length_count_too(shared: Gateway) -> None:
    def post(_: int) -> int:
        pieces = (LARGEST[start : start + 65536] for start in range(0, len(LARGEST), 65536))
        return shared.post_body(pieces).status_code

    with ThreadPoolExecutor(20) as threads:
        assert set(threads.map(post, range(20))) <= {200, 503}

    assert peak_mib(shared) < MEMORY_MIB


@pytest.mark.parametrize("part", HOSTILE.values(), ids=HOSTILE)
def test_small_requests_are_answered_beside_the_largest(shared: Gateway, part: bytes) -> None:
    value = b"[" + b",".join([part] * (MAX_BODY_BYTES // (len(part) + 1) - 10)) + b"]"
    body = b'{"records":[{"value":' + value + b"}]}"
    slowest = 0.0
    with ThreadPoolExecutor(1) as threads:
        large = threads.submit(shared.post_body, body)
        while not large.done():
            started = time.monotonic()
            assert shared.post([{"value": 1}]).status_code == 200
            slowest = max(slowest, time.monotonic() - started)

    assert large.result().status_code == 413
    # A second on an idle machine; tests share theirs.
    assert slowest < 3
    assert peak_mib(shared) < MEMORY_MIB


def test_a_body_with_too_large_a_length_is_not_kept(shared: Gateway) -> None:
    before = peak_mib(shared)

    answer = shared.post_body(b" " * (3 * MAX_BODY_BYTES))

    assert answer.status_code == 413
    assert peak_mib(shared) < before + 20


def test_an_invalid_length_is_400(shared: Gateway) -> None:
    for length in ("-1", "x", "9" * 30):
        connection = http.client.HTTPConnection(shared.url.removeprefix("http://"), timeout=10)
        connection.putrequest("POST", "/topics/pinterest.pin")
        connection.putheader("Content-Length", length)
        connection.endheaders()
        answer = connection.getresponse()

        assert (answer.status, json.loads(answer.read())["error_code"]) == (400, 400)
        connection.close()
