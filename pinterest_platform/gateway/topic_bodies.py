"""The body of a Kafka REST v2 produce request, parsed and checked; no HTTP here.

A value is kept as its own text, made compact: see ``json_values`` and ``ingest.landing.lines``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import msgspec

from pinterest_platform.gateway.errors import RestError
from pinterest_platform.gateway.json_values import JsonText, parsed_fast
from pinterest_platform.ingest.landing.lines import compact, compact_json

# Kafka's default message.max.bytes is 1048588: 1 MiB and 12 bytes for the header of the batch.
MAX_VALUE_BYTES = 1_048_576

# The limit of a landing object (see ``log``); answered within a second or two.
MAX_RECORDS = 10_000

# The schema fields are for Avro, Protobuf and JSON Schema; with plain JSON, clients send null.
_REQUEST_FIELDS = {"key_schema", "key_schema_id", "value_schema", "value_schema_id"}


@dataclass(frozen=True)
class Record:
    """A record to append: its value as one line, without the line break, its key and partition."""

    line: bytes
    key: bytes | None
    partition: int | None


def parse(body: bytes, max_value_bytes: int = MAX_VALUE_BYTES) -> list[Record]:
    """Parse ``{"records": [{"value": ..., "key": ..., "partition": ...}, ...]}``.

    Raises:
        RestError: 400 if the body is not JSON in UTF-8, 422 if it is other JSON, 413 if a value is
            longer than ``max_value_bytes`` of compact UTF-8 JSON, or there are more than
            ``MAX_RECORDS``.
    """
    records = parsed_fast(body, partial(_records, max_value_bytes))
    if records is not None:
        return records
    reader = _Reader(JsonText(body), max_value_bytes)
    records = reader.request()
    if reader.problem:
        raise reader.problem
    return records


class _RecordFields(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    value: msgspec.Raw
    key: msgspec.Raw | None = None
    partition: int | None = None


class _RequestFields(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    records: list[_RecordFields]
    key_schema: None = None
    key_schema_id: None = None
    value_schema: None = None
    value_schema_id: None = None


_DECODER = msgspec.json.Decoder(_RequestFields)


def _records(max_value_bytes: int, body: bytes) -> list[Record] | None:
    """The records, read by msgspec; None if the body violates a limit."""
    request = _DECODER.decode(body)
    if not 1 <= len(request.records) <= MAX_RECORDS:
        return None
    records: list[Record] = []
    for fields in request.records:
        line = compact_json(bytes(fields.value))
        if len(line) > max_value_bytes:
            return None
        key = None if fields.key is None else compact_json(bytes(fields.key))
        records.append(Record(line, key, fields.partition))
    return records


class _Reader:
    """Reads the request's outer structure, and so keeps each value's own text.

    The first problem of JSON with other fields is kept until the end, so that a body that is not
    JSON is always a 400.
    """

    def __init__(self, json: JsonText, max_value_bytes: int) -> None:
        self.problem: RestError | None = None
        self._json = json
        self._max_value_bytes = max_value_bytes

    def request(self) -> list[Record]:
        records: list[Record] | None = None
        if self._json.next() == "{":
            for name in self._json.members():
                if name == "records" and self._json.next() == "[":
                    records = list(self._records())
                    self._json.where = "the body"
                else:
                    value, _ = self._json.value()
                    if name not in _REQUEST_FIELDS and name != "records":
                        self._invalid("has a field that is not 'records'")
                    elif value is not None or name == "records":
                        self._invalid(
                            "needs 'records' as a list"
                            if name == "records"
                            else "names a schema, which JSON records do not have"
                        )
        else:
            self._json.value()
        self._json.end()
        if not records:
            self._invalid("needs 'records', a list of one or more records")
        return records or []

    def _records(self) -> Iterator[Record]:
        for index in self._json.elements():
            if index == MAX_RECORDS:
                raise RestError(
                    413, f"the body has more than {MAX_RECORDS} records: send fewer in a request"
                )
            self._json.where = f"record {index}"
            if self._json.next() == "{":
                record = self._record()
                if record:
                    yield record
            else:
                self._json.value()
                self._invalid("is not an object with a 'value'")

    def _record(self) -> Record | None:
        line, key, partition = None, None, None
        for name in self._json.members():
            value, text = self._json.value()
            if name == "value":
                line = compact(text, self._max_value_bytes)
            elif name == "key":
                key = None if value is None else compact(text)
            elif name != "partition":
                self._invalid("has a field that is not 'value', 'key' or 'partition'")
            elif value is None or type(value) is int:
                partition = value
            else:
                self._invalid("has a 'partition' that is not a whole number")
        if line is None:
            self._invalid("has no 'value'")
            return None
        if len(line) > self._max_value_bytes:
            self._invalid(f"has a value of more than {self._max_value_bytes} bytes", status=413)
        return Record(line, key, partition)

    def _invalid(self, what: str, status: int = 422) -> None:
        self.problem = self.problem or RestError(status, f"{self._json.where} {what}")
