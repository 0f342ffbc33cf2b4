"""The bodies of stream requests, parsed and checked; no HTTP and no AWS here.

A body gives the same result as with the mapping templates of ``infra/aws/api.yaml``: both run over
one table in ``pinterest_platform_tests/infra/test_stream_bodies.py``. Fields have the names of the
Kinesis API or of AWS's documented template (``records``, ``data``, ``partition-key``); in a body
with both, Kinesis's name counts. The path names the stream: a StreamName in the body is ignored, as
are other fields of a record.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeVar

import msgspec

from pinterest_platform.errors import StreamError
from pinterest_platform.gateway.json_values import JsonText, parsed_fast
from pinterest_platform.ingest.landing.lines import compact, compact_json

# Kinesis Data Streams, PutRecord: the default limit of data and partition key together.
MAX_RECORD_BYTES = 1_048_576

# Kinesis Data Streams, PutRecords; the size is that of data and partition keys. AWS doubled it in
# October 2025, but not every region and emulator of Kinesis accepts more.
MAX_RECORDS = 500
MAX_REQUEST_BYTES = 5 * 1_048_576

# Kinesis Data Streams, PutRecord, in characters.
MAX_PARTITION_KEY = 256

_RECORDS = ("Records", "records")
_DATA = ("Data", "data")
_KEY = ("PartitionKey", "partition-key")

T = TypeVar("T")


class _Fields(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    data: msgspec.Raw
    partition_key: str = msgspec.field(name="partition-key")


class _KinesisFields(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    data: msgspec.Raw = msgspec.field(name="Data")
    partition_key: str = msgspec.field(name="PartitionKey")
    stream_name: str = msgspec.field(name="StreamName", default="")


class _RequestFields(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    records: list[_Fields]


class _KinesisRequestFields(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    records: list[_KinesisFields] = msgspec.field(name="Records")
    stream_name: str = msgspec.field(name="StreamName", default="")


_ONE = msgspec.json.Decoder(_Fields)
_ONE_OF_KINESIS = msgspec.json.Decoder(_KinesisFields)
_MANY = msgspec.json.Decoder(_RequestFields)
_MANY_OF_KINESIS = msgspec.json.Decoder(_KinesisRequestFields)


@dataclass(frozen=True)
class StreamRecord:
    """A record for a stream: its data, and the key whose MD5 selects the shard."""

    data: bytes
    partition_key: str

    @property
    def size(self) -> int:
        """The size in bytes, as Kinesis counts it."""
        return len(self.data) + len(self.partition_key.encode())


def parse_record(body: bytes) -> StreamRecord:
    """Parse ``{"Data": ..., "PartitionKey": ...}``.

    Data that is a string becomes that string in UTF-8, any other JSON compact UTF-8 JSON.

    Raises:
        RestError: 400 if the body is not JSON in UTF-8.
        StreamError: 400 if a field is missing or invalid, or the record is longer than
            ``MAX_RECORD_BYTES``.
    """
    if found := parsed_fast(body, _fast_record):
        return found
    text = JsonText(body)
    record = _record(text)
    text.end()
    return _usable(record)


def parse_records(body: bytes) -> list[StreamRecord]:
    """Parse ``{"records": [{"data": ..., "partition-key": ...}, ...]}``, or PutRecords' spelling.

    Raises:
        RestError: 400 if the body is not JSON in UTF-8.
        StreamError: 400 as for one record, for no record, more than ``MAX_RECORDS``, or more than
            ``MAX_REQUEST_BYTES``. Then no record of the request is put.
    """
    if read := parsed_fast(body, _fast_records):
        return read
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


def _fast_record(body: bytes) -> StreamRecord | None:
    """The record, read by msgspec; None if its key has a wrong length."""
    try:
        return _usable_record(_ONE_OF_KINESIS.decode(body))
    except msgspec.ValidationError:
        return _usable_record(_ONE.decode(body))


def _fast_records(body: bytes) -> list[StreamRecord] | None:
    """The records, read by msgspec; None for too many, or if a key has a wrong length."""
    found: Sequence[_Fields | _KinesisFields]
    try:
        found = _MANY.decode(body).records
    except msgspec.ValidationError:
        found = _MANY_OF_KINESIS.decode(body).records
    if len(found) > MAX_RECORDS:
        return None
    records = [record for fields in found if (record := _usable_record(fields))]
    return records if len(records) == len(found) else None


def _usable_record(fields: _Fields | _KinesisFields) -> StreamRecord | None:
    """The record; None if its key has a wrong length. ``parsed_fast`` limits the data."""
    if not 1 <= len(fields.partition_key) <= MAX_PARTITION_KEY:
        return None
    data = bytes(fields.data)
    is_text = data.startswith(b'"')
    return StreamRecord(
        msgspec.json.decode(data, type=str).encode() if is_text else compact_json(data),
        fields.partition_key,
    )


def parse_shards(body: bytes) -> int:
    """Parse ``{"ShardCount": n}``; 1 if the field or the whole body is missing or empty.

    Raises:
        RestError: 400 if the body is not JSON in UTF-8.
        StreamError: 400 for any other JSON: a misspelled field must not create a stream.
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
    """The requested number of shards; 0 if it is invalid."""
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
    """The next record, or its error: not raised, because its list may not count."""
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
    """A key as text, numbers and booleans as in JSON; empty if it is invalid."""
    if isinstance(value, str):
        return _utf8(value).decode()
    return json.dumps(value) if isinstance(value, bool | int | float) else ""


def _utf8(value: str) -> bytes:
    """Text as UTF-8, lone surrogates as ``?``, like Java's getBytes in API Gateway."""
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
