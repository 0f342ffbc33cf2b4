"""The answers to requests for topics."""

import asyncio
import http.client
import json
import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pinterest_platform.gateway.app import create_app
from pinterest_platform.gateway.log import LandingLog
from pinterest_platform.ingest.landing.objects import open_objects
from pinterest_platform.object_store import open_store
from pinterest_platform_tests.gateway.conftest import (
    DEADLINE_SECONDS,
    PIN,
    RECORDS_TYPE,
    Gateway,
)

SECRET = "swordfish"  # a value that no message may contain


def test_an_append_is_answered_as_by_the_rest_proxy(start: Any) -> None:
    gateway = start()
    gateway.post([{"value": 1}])

    answer = gateway.post([{"value": 2}, {"value": 3}])

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == RECORDS_TYPE
    assert answer.text == (
        '{"key_schema_id":null,"offsets":[{"offset":1,"partition":0},{"offset":2,"partition":0}],'
        '"value_schema_id":null}'
    )


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (RECORDS_TYPE, 200),
        (RECORDS_TYPE.upper(), 200),
        (f'{RECORDS_TYPE}; charset="UTF-8"', 200),
        (f"{RECORDS_TYPE}; charset=latin-1", 415),
        ("application/json", 415),
        ("application/vnd.kafka.avro.v2+json", 415),
        ("", 415),
    ],
)
def test_only_json_records_are_read(shared: Gateway, content_type: str, status: int) -> None:
    answer = shared.post_body('{"records":[{"value":1}]}', **{"Content-Type": content_type})

    assert answer.status_code == status
    assert status == 200 or answer.json()["error_code"] == 415


def test_a_compressed_body_is_refused(shared: Gateway) -> None:
    assert shared.post_body(b"x", **{"Content-Encoding": "gzip"}).status_code == 415


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("", 400, "the body is not JSON: Expecting value (at character 0)"),
        (f'{{"records":[{{"value":"{SECRET}"}}', 400, "record 0 is not JSON: ']' is missing"),
        ('{"records":[{"value":1}]} {}', 400, "text after the end"),
        ('{"records":[{"value":1},]}', 400, "record 1 is not JSON"),
        ('{"records":[{value:1}]}', 400, "a name in double quotes is missing"),
        ('{"records":[7,{"value":NaN}]}', 400, "record 1 is not JSON: NaN"),
        ('{"records":[{"value":-Infinity}]}', 400, "record 0 is not JSON"),
        ('{"records":[{"value":' + "[" * 99999 + "]" * 99999 + "}]}", 400, "nested too deeply"),
        ("[" * 99999, 400, "nested too deeply"),
        ('{"records":[{"value":' + "1" * 5000 + "}]}", 400, "more than 4300 digits"),
        (b'{"records":[{"value":"\xff"}]}', 400, "not UTF-8: see byte 22"),
        ('{"records":[{"value":"\n"}]}', 400, "Invalid control character"),
        ("[]", 422, "the body needs 'records'"),
        ("{}", 422, "the body needs 'records'"),
        ('{"records":[]}', 422, "the body needs 'records'"),
        ('{"records":{"value":1}}', 422, "the body needs 'records' as a list"),
        ('{"records":[{"value":1}],"more":1}', 422, "a field that is not 'records'"),
        ('{"records":[{"value":1}],"value_schema":"{}"}', 422, "names a schema"),
        ('{"records":[{"value":1},{}]}', 422, "record 1 has no 'value'"),
        (f'{{"records":["{SECRET}"]}}', 422, "record 0 is not an object"),
        (
            '{"records":[{"value":1},{"value":1,"partition":"0"}]}',
            422,
            "record 1 has a 'partition'",
        ),
        ('{"records":[{"value":1,"partition":true}]}', 422, "record 0 has a 'partition'"),
        ('{"records":[{"value":1,"partition":0.0}]}', 422, "record 0 has a 'partition'"),
        (f'{{"records":[{{"value":1,"{SECRET}":1}}]}}', 422, "record 0 has a field that is not"),
        ('{"records":[{"value":1},{"value":1,"partition":3}]}', 40402, "record 1 names a part"),
        ('{"records":[{"value":1,"partition":-1}]}', 40402, "record 0 names a partition"),
        (json.dumps({"records": [{"value": "é" * 524288}]}), 413, "record 0 has a value of more"),
        (b"x" * 10_485_761, 413, "more than 10485760 bytes"),
    ],
)
def test_an_invalid_body_is_refused_with_the_reason(
    shared: Gateway, body: Any, code: int, message: str
) -> None:
    answer = shared.post_body(body)

    assert answer.json()["error_code"] == code
    assert answer.status_code == (404 if code == 40402 else code)
    assert message in answer.json()["message"]
    assert SECRET not in answer.text
    assert "\n" not in answer.json()["message"]


def test_a_refused_request_appends_no_record(start: Any) -> None:
    gateway = start()
    gateway.post([{"value": 1}, {"value": 2, "partition": 9}])
    gateway.post([{"value": 1}, {}])

    answer = gateway.post([{"value": 1}])

    assert answer.json()["offsets"] == [{"offset": 0, "partition": 0}]


def test_the_largest_value_and_the_largest_body_are_accepted(shared: Gateway) -> None:
    value = "x" * (1_048_576 - 2)
    body = json.dumps({"records": [{"value": value, "partition": 2}] * 9})

    assert shared.post_body(body + " " * (10_485_760 - len(body))).status_code == 200


def test_a_body_without_a_length_is_cut_off_at_the_limit(shared: Gateway) -> None:
    answer = shared.post_body(b" " * 65536 for _ in range(200))

    assert (answer.status_code, answer.json()["error_code"]) == (413, 413)


def test_a_body_that_never_ends_is_cut_off(shared: Gateway) -> None:
    host, port = shared.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=DEADLINE_SECONDS) as client:
        client.sendall(
            f"POST /topics/{PIN} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {RECORDS_TYPE}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        with pytest.raises(ConnectionError):
            client.sendall((b"100000\r\n" + b" " * 0x100000 + b"\r\n") * 80)


def test_a_body_that_does_not_arrive_is_a_408(landing: Path) -> None:
    log = LandingLog(open_objects(open_store(str(landing), create=True)), [PIN], 1)
    app = create_app(log, [PIN], body_seconds=0.01)
    sent: list[Any] = []

    async def receive() -> NoReturn:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": f"/topics/{PIN}",
        "headers": [(b"content-type", RECORDS_TYPE.encode())],
    }
    asyncio.run(app(scope, receive, send))

    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["message"] == "the body took more than 0.01 s to arrive"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/topics/pinterest.other", 404, 40401),
        ("GET", "/topics/pinterest.other", 404, 40401),
        ("GET", "/nowhere", 404, 404),
        ("DELETE", "/topics", 405, 405),
        ("PUT", f"/topics/{PIN}", 405, 405),
    ],
)
def test_other_errors_are_json_too(
    shared: Gateway, method: str, path: str, status: int, code: int
) -> None:
    connection = http.client.HTTPConnection(shared.url.removeprefix("http://"), timeout=10)
    connection.request(method, path, '{"records":[{"value":1}]}', {"Content-Type": RECORDS_TYPE})
    answer = connection.getresponse()

    assert answer.status == status
    assert json.loads(answer.read())["error_code"] == code
    assert (answer.getheader("Allow") is not None) == (status == 405)


def test_topics_are_listed_and_described(shared: Gateway) -> None:
    assert shared.get("/topics").json() == ["pinterest.geo", "pinterest.pin", "pinterest.user"]
    described = shared.get(f"/topics/{PIN}").json()
    assert (described["name"], described["configs"]) == (PIN, {})
    assert [partition["partition"] for partition in described["partitions"]] == [0, 1, 2]


def test_a_record_goes_to_its_partition_and_a_key_always_to_the_same_one(start: Any) -> None:
    gateway = start("--partitions", "3")
    records = [{"value": n, "key": {"id": n % 5}} for n in range(50)]

    requested = gateway.post([{"value": n, "partition": n % 3} for n in range(6)]).json()["offsets"]
    first = gateway.post(records).json()["offsets"]
    again = gateway.post(records).json()["offsets"]

    assert requested == [{"offset": n // 3, "partition": n % 3} for n in range(6)]
    by_key = [offset["partition"] for offset in first]
    assert by_key == by_key[:5] * 10 == [offset["partition"] for offset in again]
    assert len(set(by_key)) > 1


def test_requests_without_keys_take_turns(start: Any) -> None:
    gateway = start("--partitions", "3")

    answers = [gateway.post([{"value": 1}, {"value": 2}]).json()["offsets"] for _ in range(6)]

    assert [[offset["partition"] for offset in answer] for answer in answers] == [
        [turn, turn] for turn in (0, 1, 2, 0, 1, 2)
    ]
