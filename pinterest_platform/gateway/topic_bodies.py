"""The body of a Kafka REST v2 produce request, read and checked; no HTTP, no landing objects here.

A value is kept as its own JSON text made compact; how, is in ``json_text``.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pinterest_platform.gateway.errors import RestError
from pinterest_platform.gateway.json_values import JsonText
from pinterest_platform.ingest.landing.lines import compact

# Kafka's default message.max.bytes is 1048588: 1 MiB and 12 bytes for the batch's own header.
MAX_VALUE_BYTES = 1_048_576

# What an object takes (see ``log``); also what a client has an answer for within a second or two.
MAX_RECORDS = 10_000

# The schema fields belong to Avro, Protobuf and JSON Schema; with plain JSON clients send null.
_REQUEST_FIELDS = {"key_schema", "key_schema_id", "value_schema", "value_schema_id"}


@dataclass(frozen=True)
class Record:
    """A record to append: its value as one line without the line's end, its key, its partition."""

    line: bytes
    key: bytes | None
    partition: int | None


def parse(body: bytes, max_value_bytes: int = MAX_VALUE_BYTES) -> list[Record]:
    """Read ``{"records": [{"value": ..., "key": ..., "partition": ...}, ...]}``.

    Raises:
        RestError: 400 when the body is not JSON in UTF-8, 422 when it is JSON of another form,
            413 when a value is longer than ``max_value_bytes`` of compact UTF-8 JSON, or there are
            more than ``MAX_RECORDS``.
    """
    reader = _Reader(JsonText(body), max_value_bytes)
    records = reader.request()
    if reader.problem:
        raise reader.problem
    return records


class _Reader:
    """Walks over the request's outer form, so that each value's own text is known.

    A body that is not JSON is refused at once. Of the other problems the first is kept until the
    end is reached, so that a body that is not JSON is always a 400.
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
                        self._unusable("has a field that is not 'records'")
                    elif value is not None or name == "records":
                        self._unusable(
                            "needs 'records' as a list"
                            if name == "records"
                            else "names a schema, which JSON records do not have"
                        )
        else:
            self._json.value()
        self._json.end()
        if not records:
            self._unusable("needs 'records', a list of one or more records")
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
                self._unusable("is not an object with a 'value'")

    def _record(self) -> Record | None:
        line, key, partition = None, None, None
        for name in self._json.members():
            value, text = self._json.value()
            if name == "value":
                line = compact(text, self._max_value_bytes)
            elif name == "key":
                key = None if value is None else compact(text)
            elif name != "partition":
                self._unusable("has a field that is not 'value', 'key' or 'partition'")
            elif value is None or type(value) is int:
                partition = value
            else:
                self._unusable("has a 'partition' that is not a whole number")
        if line is None:
            self._unusable("has no 'value'")
            return None
        if len(line) > self._max_value_bytes:
            self._unusable(f"has a value of more than {self._max_value_bytes} bytes", status=413)
        return Record(line, key, partition)

    def _unusable(self, what: str, status: int = 422) -> None:
        self.problem = self.problem or RestError(status, f"{self._json.where} {what}")
