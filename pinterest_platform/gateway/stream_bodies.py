"""The bodies of the stream requests, read and checked; no HTTP and no AWS here.

A body is accepted when the mapping templates of ``infra/aws/api.yaml`` accept it, with the same
result: both run over one table in ``pinterest_platform_tests/infra/test_stream_bodies.py``. The
names of the fields are those of the Kinesis API or of AWS's documented template (``records``,
``data``, ``partition-key``); where a body has both, Kinesis's counts. The stream is that of the
path: a StreamName in the body is not looked at, nor is any other field of a record.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from pinterest_platform.errors import StreamError
from pinterest_platform.gateway.json_values import JsonText
from pinterest_platform.ingest.landing.lines import compact

# Kinesis Data Streams, PutRecord: data and partition key together, by default (a stream can be
# configured to take more; what API Gateway passes on would then be the limit).
MAX_RECORD_BYTES = 1_048_576

# Kinesis Data Streams, PutRecords. The size, data and partition keys, is the one that every region
# and every stand-in for Kinesis accepts; AWS doubled it in October 2025.
MAX_RECORDS = 500
MAX_REQUEST_BYTES = 5 * 1_048_576

# Kinesis Data Streams, PutRecord: in characters.
MAX_PARTITION_KEY = 256

# The spellings of a field, the one that counts first.
_RECORDS = ("Records", "records")
_DATA = ("Data", "data")
_KEY = ("PartitionKey", "partition-key")

T = TypeVar("T")


@dataclass(frozen=True)
class StreamRecord:
    """A record for a stream: its data's bytes, and the key whose MD5 decides on the shard."""

    data: bytes
    partition_key: str

    @property
    def size(self) -> int:
        """Bytes as Kinesis counts them."""
        return len(self.data) + len(self.partition_key.encode())


def parse_record(body: bytes) -> StreamRecord:
    """Read ``{"Data": ..., "PartitionKey": ...}``.

    Data that is a string becomes its UTF-8; any other JSON becomes compact UTF-8 JSON.

    Raises:
        RestError: 400 when the body is not JSON in UTF-8.
        StreamError: 400 when a field is missing or unusable, or the record is longer than
            ``MAX_RECORD_BYTES``.
    """
    text = JsonText(body)
    record = _record(text)
    text.end()
    return _usable(record)


def parse_records(body: bytes) -> list[StreamRecord]:
    """Read ``{"records": [{"data": ..., "partition-key": ...}, ...]}``, or as PutRecords has it.

    Raises:
        RestError: 400 when the body is not JSON in UTF-8.
        StreamError: 400 as for one record, for none or more than ``MAX_RECORDS``, and for more
            than ``MAX_REQUEST_BYTES``. Nothing of the request is put then.
    """
    text = JsonText(body)
    lists: dict[str, Sequence[StreamRecord | StreamError]] = {}
    if text.next() == "{":
        for name in text.members():
            if name in _RECORDS and text.next() == "[":
                lists[name] = _records(text)
                text.where = "the body"
            else:
                text.value()
                if name in _RECORDS:
                    lists[name] = []
    else:
        text.value()
    text.end()
    found = _first(lists, _RECORDS)
    if not found:
        _refuse("the body needs 'records', a list of one or more records")
    records = [_usable(record) for record in found]
    if sum(record.size for record in records) > MAX_REQUEST_BYTES:
        raise StreamError(
            400,
            "InvalidArgumentException",
            f"the records have more than {MAX_REQUEST_BYTES} bytes of data and partition keys: "
            "send fewer in a request",
        )
    return records


def parse_shards(body: bytes) -> int:
    """Read ``{"ShardCount": n}``, n being 1 when it or the whole body is left out or empty.

    Raises:
        RestError: 400 when the body is not JSON in UTF-8.
        StreamError: 400 when it is JSON of another form: a stream of another kind than was asked
            for is worse than none.
    """
    text = JsonText(body)
    shards = 1
    if not text.next():
        return shards
    if text.next() != "{":
        text.value()
        text.end()
        _refuse('the body is not an object such as {"ShardCount": 1}')
    unknown = False
    for name in text.members():
        value, _ = text.value()
        if name == "ShardCount":
            shards = 1 if value in (None, "") else _shards(value)
        elif name != "StreamName":
            unknown = True
    text.end()
    if unknown:
        _refuse("the body has a field that is not 'ShardCount' or 'StreamName'")
    if not shards:
        _refuse("'ShardCount' is not a whole number of 1 or more")
    return shards


def _shards(value: object) -> int:
    """The shards asked for; 0 when that is no number of shards."""
    return value if type(value) is int and value > 0 else 0


def _records(text: JsonText) -> list[StreamRecord | StreamError]:
    records: list[StreamRecord | StreamError] = []
    for index in text.elements():
        if index == MAX_RECORDS:
            _refuse(f"the body has more than {MAX_RECORDS} records: send fewer in a request")
        text.where = f"record {index}"
        records.append(_record(text))
    return records


def _record(text: JsonText) -> StreamRecord | StreamError:
    """The next record, or why it is none: it may stand in a list that does not count."""
    if text.next() != "{":
        text.value()
        return _unusable(f"{text.where} is not an object with 'Data' and 'PartitionKey'")
    data: dict[str, bytes] = {}
    keys: dict[str, object] = {}
    for name in text.members():
        value, spelling = text.value()
        if name in _DATA:
            data[name] = (
                _utf8(value)
                if isinstance(value, str)
                else compact(spelling, MAX_RECORD_BYTES, "replace")
            )
        elif name in _KEY:
            keys[name] = value
    found, key = _first(data, _DATA), _partition_key(_first(keys, _KEY))
    if found is None:
        return _unusable(f"{text.where} has no 'Data'")
    if not keys:
        return _unusable(f"{text.where} has no 'PartitionKey'")
    if not 1 <= len(key) <= MAX_PARTITION_KEY:
        return _unusable(
            f"{text.where} has a 'PartitionKey' that is not a text of 1 to {MAX_PARTITION_KEY} "
            "characters"
        )
    record = StreamRecord(found, key)
    if record.size > MAX_RECORD_BYTES:
        return _unusable(
            f"{text.where} has more than {MAX_RECORD_BYTES} bytes of data and partition key"
        )
    return record


def _partition_key(value: object) -> str:
    """A key as text, numbers and booleans as JSON has them; empty when it is none."""
    if isinstance(value, str):
        return _utf8(value).decode()
    return json.dumps(value) if isinstance(value, bool | int | float) else ""


def _utf8(value: str) -> bytes:
    """Text as UTF-8, a lone surrogate as ``?``: what Java's getBytes makes in API Gateway."""
    return value.encode("utf-8", "replace")


def _first(fields: Mapping[str, T], spellings: Sequence[str]) -> T | None:
    return next((fields[name] for name in spellings if name in fields), None)


def _usable(record: StreamRecord | StreamError) -> StreamRecord:
    if isinstance(record, StreamError):
        raise record
    return record


def _unusable(message: str) -> StreamError:
    return StreamError(400, "ValidationException", message)


def _refuse(message: str) -> NoReturn:
    raise _unusable(message)
