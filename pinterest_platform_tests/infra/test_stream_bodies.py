"""One table of requests, sent to the gateway and to the rendered templates of ``api.yaml``.

Both answer with the same status, and the same data and partition keys reach Kinesis.
"""

import json
from typing import Any

import pytest

from pinterest_platform_tests.gateway.conftest import Gateway
from pinterest_platform_tests.infra.conftest import PIN, ask, newest
from pinterest_platform_tests.infra.templates import Deployment
from pinterest_platform_tests.local_aws import client

POST = {"index": 7, "title": "émoji 👩‍🎨", "tags": ["a", None, True, {"n": 1.5}]}
COMPACT = json.dumps(POST, ensure_ascii=False, separators=(",", ":")).encode()

# name: (record, data and partition key that reach Kinesis; None if the record is refused)
RECORDS: dict[str, tuple[Any, tuple[bytes, str] | None]] = {
    "an object": ({"Data": POST, "PartitionKey": "k"}, (COMPACT, "k")),
    "AWS's spelling": ({"data": POST, "partition-key": "k"}, (COMPACT, "k")),
    "mixed spellings": ({"Data": POST, "partition-key": "k"}, (COMPACT, "k")),
    "both spellings of the data": (
        {"data": 1, "Data": {"a": 2}, "PartitionKey": "k"},
        (b'{"a":2}', "k"),
    ),
    "both spellings of the data, null first": (
        {"Data": None, "data": 1, "PartitionKey": "k"},
        (b"null", "k"),
    ),
    "both spellings of the key": (
        {"Data": "x", "partition-key": "aws", "PartitionKey": "kinesis"},
        (b"x", "kinesis"),
    ),
    "both spellings of the key, the first unusable": (
        {"Data": "x", "partition-key": "aws", "PartitionKey": ""},
        None,
    ),
    "both spellings of the key, the second unusable": (
        {"Data": "x", "partition-key": "", "PartitionKey": "kinesis"},
        (b"x", "kinesis"),
    ),
    "other spellings": ({"DATA": "x", "Partition-Key": "k"}, None),
    "a StreamName of another stream": (
        {"StreamName": "other", "Data": "x", "PartitionKey": "k"},
        (b"x", "k"),
    ),
    "a StreamName that is a template": (
        {"StreamName": "$input.params('stream-name')", "Data": "x", "PartitionKey": "k"},
        (b"x", "k"),
    ),
    "a StreamName that is null": (
        {"StreamName": None, "Data": "x", "PartitionKey": "k"},
        (b"x", "k"),
    ),
    "a StreamName that is a list": (
        {"StreamName": [{}], "Data": "x", "PartitionKey": "k"},
        (b"x", "k"),
    ),
    "an array": ({"Data": [POST, 1, "x"], "PartitionKey": "k"}, (b"[" + COMPACT + b',1,"x"]', "k")),
    "an empty array": ({"Data": [], "PartitionKey": "k"}, (b"[]", "k")),
    "an empty object": ({"Data": {}, "PartitionKey": "k"}, (b"{}", "k")),
    "a number": ({"Data": 12, "PartitionKey": "k"}, (b"12", "k")),
    "zero": ({"Data": 0, "PartitionKey": "k"}, (b"0", "k")),
    "a fraction": ({"Data": -1.5, "PartitionKey": "k"}, (b"-1.5", "k")),
    "true": ({"Data": True, "PartitionKey": "k"}, (b"true", "k")),
    "false": ({"Data": False, "PartitionKey": "k"}, (b"false", "k")),
    "null": ({"Data": None, "PartitionKey": "k"}, (b"null", "k")),
    "a string": ({"Data": "a b", "PartitionKey": "k"}, (b"a b", "k")),
    "an empty string": ({"Data": "", "PartitionKey": "k"}, (b"", "k")),
    "a string that holds JSON": ({"Data": '{"a": 1}', "PartitionKey": "k"}, (b'{"a": 1}', "k")),
    "a string in quotes": ({"Data": '"a"', "PartitionKey": "k"}, (b'"a"', "k")),
    "a string of base64": ({"Data": "eyJhIjoxfQ==", "PartitionKey": "k"}, (b"eyJhIjoxfQ==", "k")),
    "a string that is Velocity": (
        {"Data": "$util.base64Encode(1) #end", "PartitionKey": "k"},
        (b"$util.base64Encode(1) #end", "k"),
    ),
    "control characters": ({"Data": "a\x00\r\n\t\\", "PartitionKey": "k"}, (b"a\x00\r\n\t\\", "k")),
    "a lone surrogate in a string": ({"Data": "a\ud800b", "PartitionKey": "k"}, (b"a?b", "k")),
    "a lone surrogate in an object": (
        {"Data": {"a": "\udfff"}, "PartitionKey": "k"},
        (b'{"a":"?"}', "k"),
    ),
    "a lone surrogate in the key": ({"Data": "x", "PartitionKey": "\ud800"}, (b"x", "?")),
    "a key of other letters": ({"Data": "x", "PartitionKey": 'k"é👩'}, (b"x", 'k"é👩')),
    "a key that is a number": ({"Data": "x", "PartitionKey": 7}, (b"x", "7")),
    "a key that is zero": ({"Data": "x", "partition-key": 0}, (b"x", "0")),
    "a key that is a fraction": ({"Data": "x", "PartitionKey": 1.5}, (b"x", "1.5")),
    "a key that is true": ({"Data": "x", "PartitionKey": True}, (b"x", "true")),
    "a key of digits": ({"Data": "x", "PartitionKey": "007"}, (b"x", "007")),
    "a key that is null": ({"Data": "x", "PartitionKey": None}, None),
    "a key that is an object": ({"Data": "x", "PartitionKey": {}}, None),
    "a key that is an array": ({"Data": "x", "PartitionKey": ["k"]}, None),
    "an empty key": ({"Data": "x", "PartitionKey": ""}, None),
    "a key of 256 characters": ({"Data": "x", "PartitionKey": "é" * 256}, (b"x", "é" * 256)),
    "a key of 257 characters": ({"Data": "x", "PartitionKey": "k" * 257}, None),
    "no data": ({"PartitionKey": "k"}, None),
    "no key": ({"Data": "x"}, None),
    "nothing": ({}, None),
    "fields besides": (
        {"Data": "x", "PartitionKey": "k", "ExplicitHashKey": "1", "unknown": [{"a": None}]},
        (b"x", "k"),
    ),
    "the largest record": (
        {"Data": "x" * (1_048_576 - 1), "PartitionKey": "k"},
        (b"x" * (1_048_576 - 1), "k"),
    ),
    "no object": ([1], None),
    "a string instead of an object": ("x", None),
    "null instead of an object": (None, None),
}

# Bodies that are not JSON, or JSON in another encoding.
BODIES: dict[str, tuple[bytes, tuple[bytes, str] | None]] = {
    "an empty body": (b"", None),
    "blanks": (b" \n", None),
    "half an object": (b'{"Data": "x", "PartitionKey": "k"', None),
    "text after the end": (b'{"Data": "x", "PartitionKey": "k"} x', None),
    "NaN": (b'{"Data": NaN, "PartitionKey": "k"}', None),
    "bytes that are not UTF-8": (b'{"Data": "\xff", "PartitionKey": "k"}', None),
    "nested too deeply": (
        b'{"Data": ' + b"[" * 99999 + b"]" * 99999 + b', "PartitionKey": "k"}',
        None,
    ),
    "a form": (b"Data=x&PartitionKey=k", None),
    "a mark of the byte order": (b'\xef\xbb\xbf{"Data": "x", "PartitionKey": "k"}', (b"x", "k")),
    "blanks around": (
        b' \r\n{ "Data" :\t{ "a" : "b c" } , "PartitionKey":"k"}\n',
        (b'{"a":"b c"}', "k"),
    ),
    "escapes": (
        rb'{"Data": {"a": "\u00e9\/\ud83d\ude00"}, "PartitionKey": "k"}',
        ('{"a":"é/😀"}'.encode(), "k"),
    ),
    "a field twice": (
        b'{"Data": 1, "Data": 2, "PartitionKey": "a", "PartitionKey": "b"}',
        (b"2", "b"),
    ),
}

# name: (body of /records, how many records reach Kinesis; 0 if the body is refused)
LISTS: dict[str, tuple[Any, int]] = {
    "no list": ({}, 0),
    "an empty list": ({"records": []}, 0),
    "an object for a list": ({"records": {"data": "x", "partition-key": "k"}}, 0),
    "null for a list": ({"Records": None}, 0),
    "an array": ([{"data": "x", "partition-key": "k"}], 0),
    "both lists": (
        {
            "records": [{"data": "x", "partition-key": "k"}],
            "Records": [{"Data": "y", "PartitionKey": "k"}] * 2,
        },
        2,
    ),
    "both lists, the first one unusable": (
        {"Records": [], "records": [{"data": "x", "partition-key": "k"}]},
        0,
    ),
    "both lists, the second one unusable": (
        {"Records": [{"data": "x", "partition-key": "k"}], "records": [{}]},
        1,
    ),
    "a stream of another name": (
        {"StreamName": "other", "records": [{"data": "x", "partition-key": "k"}]},
        1,
    ),
    "fields besides": ({"StreamARN": 1, "records": [{"data": "x", "partition-key": "k"}]}, 1),
    "one unusable record": ({"records": [{"data": "x", "partition-key": "k"}, {"data": "x"}]}, 0),
    "as many records as Kinesis takes": ({"records": [{"data": 1, "partition-key": 2}] * 500}, 500),
    "one record more": ({"records": [{"data": 1, "partition-key": 2}] * 501}, 0),
    "more bytes than Kinesis takes": (
        {
            "records": [{"data": "x" * 1_048_575, "partition-key": "k"}] * 5
            + [{"data": "x", "partition-key": "k"}]
        },
        0,
    ),
}

SHARDS: dict[str, tuple[Any, int]] = {
    "an empty body": (b"", 1),
    "no field": ({}, 1),
    "a number": ({"ShardCount": 2}, 2),
    "null": ({"ShardCount": None}, 1),
    "an empty string": ({"ShardCount": ""}, 1),
    "another stream": ({"StreamName": "other", "ShardCount": 3}, 3),
    "a stream that is null": ({"StreamName": None}, 1),
    "zero": ({"ShardCount": 0}, 0),
    "less than zero": ({"ShardCount": -1}, 0),
    "a fraction": ({"ShardCount": 1.5}, 0),
    "a string of digits": ({"ShardCount": "2"}, 0),
    "true": ({"ShardCount": True}, 0),
    "an array": ([2], 0),
    "a field besides": ({"Shards": 2}, 0),
    "half an object": (b'{"ShardCount": 2', 0),
}

ROUTES = [
    ("GET", "/streams"),
    ("GET", PIN),
    ("POST", "/streams/streaming-pinterest-kind"),
    ("DELETE", "/streams/streaming-pinterest-kind"),
    ("PUT", f"{PIN}/record"),
    ("PUT", f"{PIN}/records"),
]


def rows(table: dict[str, Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", table.values(), ids=table)


def send(gateway: Gateway, api: str, verb: str, path: str, body: Any, **headers: str) -> list[int]:
    return [ask(url, verb, path, body, **headers).status_code for url in (gateway.url, api)]


def outcome(record: Any) -> list[int]:
    return [400, 400] if record is None else [200, 200]


@rows(RECORDS | BODIES)
def test_a_record(deployment: Deployment, gateway: Gateway, api: str, row: Any) -> None:
    body, record = row

    assert send(gateway, api, "PUT", f"{PIN}/record", body) == outcome(record)

    assert record is None or newest(deployment, 2) == [record] * 2


@pytest.mark.parametrize("spelling", ["records", "Records"])
@rows(RECORDS)
def test_a_record_of_a_list(
    deployment: Deployment, gateway: Gateway, api: str, spelling: str, row: Any
) -> None:
    body, record = row

    assert send(gateway, api, "PUT", f"{PIN}/records", {spelling: [body]}) == outcome(record)

    assert record is None or newest(deployment, 2) == [record] * 2


@rows(LISTS)
def test_a_list(deployment: Deployment, gateway: Gateway, api: str, row: Any) -> None:
    body, number = row
    before = newest(deployment, 1)

    assert send(gateway, api, "PUT", f"{PIN}/records", body) == outcome(number or None)

    landed = newest(deployment, 2 * number or 1)
    assert landed[:number] == landed[number:] if number else landed == before


def test_a_record_that_is_too_long_is_refused_as_by_kinesis(gateway: Gateway, api: str) -> None:
    body = {"Data": "x" * 1_048_576, "PartitionKey": "k"}

    assert ask(gateway.url, "PUT", f"{PIN}/record", body).status_code == 400
    # moto checks only the length of records in a list.
    assert send(gateway, api, "PUT", f"{PIN}/records", {"records": [body]}) == [400, 400]


@rows(SHARDS)
def test_the_shards_of_a_stream(
    deployment: Deployment, gateway: Gateway, api: str, row: Any
) -> None:
    body, shards = row
    kinesis = client("kinesis", deployment.endpoint)
    name = "streaming-pinterest-shards"
    for url in (gateway.url, api):
        answer = ask(url, "POST", f"/streams/{name}", body)

        assert answer.status_code == (200 if shards else 400)

        if shards:
            assert len(kinesis.list_shards(StreamName=name)["Shards"]) == shards
            assert ask(url, "DELETE", f"/streams/{name}", b"{").status_code == 200


@pytest.mark.parametrize(("verb", "path"), ROUTES)
@pytest.mark.parametrize(
    ("kind", "read"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/json;charset=latin-1", True),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("application/vnd.kafka.json.v2+json", False),
        ("", False),
    ],
)
def test_only_json_is_read_on_every_route(
    gateway: Gateway, api: str, verb: str, path: str, kind: str, read: bool
) -> None:
    for url in (gateway.url, api):
        status = ask(url, verb, path, b"[]", **{"Content-Type": kind}).status_code

        assert status != 415 if read else status == 415
