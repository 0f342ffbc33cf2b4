"""Requests for streams and their records."""

import json
from typing import Any

import pytest

from pinterest_platform_tests.gateway.aws import Aws, Fault
from pinterest_platform_tests.gateway.conftest import Gateway
from pinterest_platform_tests.gateway.streams.conftest import TEXT, ask, error, put, put_all


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


@pytest.mark.parametrize("body", [b"", b"{}", {"StreamName": "another"}, {"ShardCount": None}])
def test_a_stream_has_one_shard_by_default(aws: Aws, gateway: Gateway, body: Any) -> None:
    assert ask(gateway, "POST", "/streams/one-shard", body).status_code == 200
    assert aws.calls == [("CreateStream", {"StreamName": "one-shard", "ShardCount": 1})]
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
    assert aws.calls[1][1]["ExclusiveStartShardId"] == "first"


def test_an_object_arrives_as_compact_json(aws: Aws, gateway: Gateway, stream: str) -> None:
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
def test_a_string_arrives_as_utf8(aws: Aws, gateway: Gateway, stream: str, text: str) -> None:
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


def test_a_failed_record_is_reported_beside_the_others(
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


def test_limits_are_exact(aws: Aws, gateway: Gateway, stream: str) -> None:
    key = "k" * 256
    largest = {"Data": "x" * (1_048_576 - 256), "PartitionKey": key}
    small = {"data": "x", "partition-key": "k"}
    longer = largest | {"Data": f"{largest['Data']}x"}
    assert put(gateway, stream, largest).status_code == 200
    assert error(put(gateway, stream, longer)) == (400, "ValidationException")
    assert error(put_all(gateway, stream, [small, longer])) == (400, "ValidationException")
    assert put_all(gateway, stream, [largest] * 5).status_code == 200
    assert error(put_all(gateway, stream, [*[largest] * 5, small])) == (
        400,
        "InvalidArgumentException",
    )
    assert put_all(gateway, stream, [small] * 500).status_code == 200
    assert error(put_all(gateway, stream, [small] * 501)) == (400, "ValidationException")
    assert (aws.count("PutRecord"), aws.count("PutRecords")) == (1, 2)


def test_a_body_over_ten_mebibytes_is_413(gateway: Gateway) -> None:
    answer = put(gateway, "any", b" " * (10 * 1024 * 1024 + 1))
    assert error(answer) == (413, "RequestTooLargeException")


@pytest.mark.parametrize(
    ("path", "body", "kind", "message"),
    [
        ("s/record", b"{", "SerializationException", "is not JSON"),
        ("s/record", b'{"Data": "x", "PartitionKey": "k"} x', "SerializationException", "the end"),
        ("s/record", b'{"Data": {"a": NaN}}', "SerializationException", "NaN"),
        ("s/record", b"\xff", "SerializationException", "not UTF-8"),
        ("s/record", b"", "SerializationException", "is not JSON"),
        ("s/record", b"[]", "ValidationException", "'Data' and 'PartitionKey'"),
        ("s/record", b'{"PartitionKey": "k"}', "ValidationException", "no 'Data'"),
        ("s/record", b'{"Data": "x"}', "ValidationException", "no 'PartitionKey'"),
        ("s/record", b'{"Data": "x", "PartitionKey": {}}', "ValidationException", "'PartitionKey'"),
        ("s/record", b'{"Data": "x", "PartitionKey": ""}', "ValidationException", "'PartitionKey'"),
        (
            "s/record",
            b'{"Data": "x", "PartitionKey": "%s"}' % (b"k" * 257),
            "ValidationException",
            "256 characters",
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
def test_an_invalid_body_is_400_with_the_reason(
    aws: Aws, gateway: Gateway, path: str, body: bytes, kind: str, message: str
) -> None:
    answer = ask(gateway, "PUT", f"/streams/{path}", body)
    assert error(answer) == (400, kind)
    assert message in answer.json()["message"]
    assert aws.calls == []


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{", {"ShardCount": 0}, {"ShardCount": "2"}, {"ShardCnt": 2}],
)
def test_an_invalid_body_creates_no_stream(aws: Aws, gateway: Gateway, body: Any) -> None:
    assert ask(gateway, "POST", "/streams/s", body).status_code == 400
    assert aws.calls == []
