"""The bodies of the stream requests, read and checked; no HTTP and no AWS here.

The names of the fields are those of the Kinesis API. In the bodies of records those of AWS's
documented API Gateway template (``records``, ``data``, ``partition-key``) are as good. As in that
template, what a record holds besides is not looked at.
"""

from dataclasses import dataclass
from typing import NoReturn

from pinterest_platform.errors import StreamError
from pinterest_platform.gateway.json_text import JsonText, compact

# Kinesis Data Streams, PutRecord: data and partition key together, by default (a stream can be
# configured to take more; what API Gateway passes on would then be the limit).
MAX_RECORD_BYTES = 1_048_576

# Kinesis Data Streams, PutRecords. The size, data and partition keys, is the one that every region
# and every stand-in for Kinesis accepts; AWS doubled it in October 2025.
MAX_RECORDS = 500
MAX_REQUEST_BYTES = 5 * 1_048_576

# Kinesis Data Streams, PutRecord: in characters.
MAX_PARTITION_KEY = 256

_NAMES = {
    "Data": "Data",
    "data": "Data",
    "PartitionKey": "PartitionKey",
    "partition-key": "PartitionKey",
    "Records": "Records",
    "records": "Records",
    "StreamName": "StreamName",
}


@dataclass(frozen=True)
class StreamRecord:
    """A record for a stream: its data's bytes, and the key whose MD5 decides on the shard."""

    data: bytes
    partition_key: str

    @property
    def size(self) -> int:
        """Bytes as Kinesis counts them."""
        return len(self.data) + len(self.partition_key.encode())


def parse_record(body: bytes, stream: str) -> StreamRecord:
    """Read ``{"StreamName": ..., "Data": ..., "PartitionKey": ...}``; StreamName may be left out.

    Data is an object, which becomes compact UTF-8 JSON, or a string, which becomes its UTF-8.

    Raises:
        RestError: 400 when the body is not JSON in UTF-8.
        StreamError: 400 when a field is missing, of another form or names another stream than
            ``stream``, 413 when the record is longer than ``MAX_RECORD_BYTES``.
    """
    json = JsonText(body)
    record = _record(json, stream)
    json.end()
    return record


def parse_records(body: bytes, stream: str) -> list[StreamRecord]:
    """Read ``{"records": [{"data": ..., "partition-key": ...}, ...]}``, or as PutRecords has it.

    Raises:
        RestError: 400 when the body is not JSON in UTF-8.
        StreamError: as for one record; 400 for none or more than ``MAX_RECORDS``, 413 for more
            than ``MAX_REQUEST_BYTES``. Nothing of the request is put then.
    """
    json = JsonText(body)
    if json.next() != "{":
        _refuse("the body is not an object with 'records'")
    records: list[StreamRecord] = []
    for name in json.members():
        if _NAMES.get(name) == "Records" and json.next() == "[":
            for index in json.elements():
                json.where = f"record {index}"
                records.append(_record(json, stream))
            json.where = "the body"
        else:
            _check_stream(name, json.value()[0], stream)
    json.end()
    if not records:
        _refuse("the body needs 'records', a list of one or more records")
    if len(records) > MAX_RECORDS:
        _refuse(f"the body has {len(records)} records: send at most {MAX_RECORDS} in a request")
    if sum(record.size for record in records) > MAX_REQUEST_BYTES:
        raise StreamError(
            413,
            "InvalidArgumentException",
            f"the records have more than {MAX_REQUEST_BYTES} bytes of data and partition keys: "
            "send fewer in a request",
        )
    return records


def parse_shards(body: bytes, stream: str) -> int:
    """Read ``{"ShardCount": n}``, n being 1 when it or the whole body is left out.

    Raises:
        RestError: 400 when the body is not JSON in UTF-8.
        StreamError: 400 when it is JSON of another form: a stream of another kind than was asked
            for is worse than none.
    """
    json = JsonText(body)
    shards = 1
    if not json.next():
        return shards
    if json.next() != "{":
        _refuse('the body is not an object such as {"ShardCount": 1}')
    for name in json.members():
        value, _ = json.value()
        if name == "ShardCount":
            if type(value) is not int or value < 1:
                _refuse("'ShardCount' is not a whole number of 1 or more")
            shards = value
        elif name == "StreamName":
            _check_stream(name, value, stream)
        else:
            _refuse("the body has a field that is not 'ShardCount' or 'StreamName'")
    json.end()
    return shards


def _record(json: JsonText, stream: str) -> StreamRecord:
    if json.next() != "{":
        json.value()
        _refuse(f"{json.where} is not an object with 'Data' and 'PartitionKey'")
    data: bytes | None = None
    key: str | None = None
    for name in json.members():
        value, text = json.value()
        if _NAMES.get(name) == "Data":
            data = _data(value, text, json.where)
        elif _NAMES.get(name) == "PartitionKey":
            key = _partition_key(value, json.where)
        else:
            _check_stream(name, value, stream)
    if data is None:
        _refuse(f"{json.where} has no 'Data'")
    if key is None:
        _refuse(f"{json.where} has no 'PartitionKey'")
    record = StreamRecord(data, key)
    if record.size > MAX_RECORD_BYTES:
        raise StreamError(
            413,
            "ValidationException",
            f"{json.where} has more than {MAX_RECORD_BYTES} bytes of data and partition key",
        )
    return record


def _data(value: object, text: str, where: str) -> bytes:
    if isinstance(value, dict):
        return compact(text)
    if not isinstance(value, str):
        _refuse(f"{where} has 'Data' that is neither an object nor a string")
    return _utf8(value, "Data", where)


def _partition_key(value: object, where: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_PARTITION_KEY:
        _refuse(
            f"{where} has a 'PartitionKey' that is not a string of 1 to {MAX_PARTITION_KEY} "
            "characters"
        )
    _utf8(value, "PartitionKey", where)
    return value


def _utf8(value: str, name: str, where: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:
        _refuse(f"{where} has '{name}' with a lone surrogate, which UTF-8 cannot hold")


def _check_stream(name: str, value: object, stream: str) -> None:
    if _NAMES.get(name) == "StreamName" and value != stream:
        _refuse("'StreamName' is not the stream of the path")


def _refuse(message: str) -> NoReturn:
    raise StreamError(400, "ValidationException", message)
