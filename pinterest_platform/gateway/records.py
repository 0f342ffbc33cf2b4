"""The body of a Kafka REST v2 produce request, read and checked; no HTTP, no landing objects here.

A value is kept as its own JSON text made compact, not as the Python object it parses to: so
numbers keep every digit and their spelling (1.10, 1e400, -0), and members stay in their order.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from pinterest_platform.gateway.errors import RestError

# Kafka's default message.max.bytes is 1048588: 1 MiB and 12 bytes for the batch's own header.
MAX_VALUE_BYTES = 1_048_576

# The schema fields belong to Avro, Protobuf and JSON Schema; with plain JSON clients send null.
_REQUEST_FIELDS = {"key_schema", "key_schema_id", "value_schema", "value_schema_id"}
_STRING_OR_OTHER = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[^ \t\n\r"]+')
_BLANK = re.compile(r"[ \t\n\r]*")


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
            413 when a value is longer than ``max_value_bytes`` of compact UTF-8 JSON.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise RestError(400, f"the body is not UTF-8: see byte {error.start}") from None
    reader = _Reader(text, max_value_bytes)
    records = reader.request()
    if reader.problem:
        raise reader.problem
    return records


def compact(text: str) -> bytes:
    r"""Valid JSON text as UTF-8 without white space and without needless escapes.

    A lone surrogate, which UTF-8 cannot hold, stays an escape such as ``\ud800``.
    """
    tokens = _STRING_OR_OTHER.findall(text)
    if "\\" in text:
        tokens = [
            json.dumps(json.loads(token), ensure_ascii=False) if "\\" in token else token
            for token in tokens
        ]
    return "".join(tokens).encode("utf-8", "backslashreplace")


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


class _Reader:
    """Walks over the request's outer form, so that each value's own text is known.

    A body that is not JSON is refused at once. Of the other problems the first is kept until the
    end is reached, so that a body that is not JSON is always a 400.
    """

    def __init__(self, text: str, max_value_bytes: int) -> None:
        self.problem: RestError | None = None
        self._text = text
        self._max_value_bytes = max_value_bytes
        self._at = 0
        self._where = "the body"
        self._decode = json.JSONDecoder(parse_constant=_no_constant).raw_decode

    def request(self) -> list[Record]:
        records: list[Record] | None = None
        if self._next() == "{":
            for name in self._members():
                if name == "records" and self._next() == "[":
                    records = list(self._records())
                    self._where = "the body"
                else:
                    value, _ = self._value()
                    if name not in _REQUEST_FIELDS and name != "records":
                        self._unusable("has a field that is not 'records'")
                    elif value is not None or name == "records":
                        self._unusable(
                            "needs 'records' as a list"
                            if name == "records"
                            else "names a schema, which JSON records do not have"
                        )
        else:
            self._value()
        if self._next():
            self._invalid("text after the end")
        if not records:
            self._unusable("needs 'records', a list of one or more records")
        return records or []

    def _records(self) -> Iterator[Record]:
        for index in self._elements():
            self._where = f"record {index}"
            if self._next() == "{":
                record = self._record()
                if record:
                    yield record
            else:
                self._value()
                self._unusable("is not an object with a 'value'")

    def _record(self) -> Record | None:
        line, key, partition = None, None, None
        for name in self._members():
            value, text = self._value()
            if name == "value":
                line = compact(text)
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

    def _members(self) -> Iterator[str]:
        """The names of an object's members; the caller reads a value after each."""
        for _ in self._separated("{", "}"):
            if self._next() != '"':
                self._invalid("a name in double quotes is missing")
            name, _ = self._value()
            self._take(":")
            yield str(name)

    def _elements(self) -> Iterator[int]:
        """The indexes of a list's elements; the caller reads a value after each."""
        yield from self._separated("[", "]")

    def _separated(self, start: str, end: str) -> Iterator[int]:
        self._take(start)
        index = 0
        if self._next() != end:
            yield index
            while self._next() == ",":
                self._take(",")
                index += 1
                yield index
        self._take(end)

    def _next(self) -> str:
        """The next character that is not white space; an empty string at the end."""
        blank = _BLANK.match(self._text, self._at)
        self._at = blank.end() if blank else self._at
        return self._text[self._at : self._at + 1]

    def _take(self, char: str) -> None:
        if self._next() != char:
            self._invalid(f"'{char}' is missing")
        self._at += 1

    def _value(self) -> tuple[object, str]:
        """The next value and its text."""
        self._next()
        start = self._at
        try:
            value, self._at = self._decode(self._text, start)
        except json.JSONDecodeError as error:
            self._at = error.pos
            self._invalid(error.msg)
        except RecursionError:
            self._invalid("nested too deeply")
        except ValueError as error:
            # Python refuses to read whole numbers of more than 4300 digits (CVE-2020-10735).
            too_long = "digits" in str(error)
            self._invalid("a number of more than 4300 digits" if too_long else str(error))
        return value, self._text[start : self._at]

    def _invalid(self, what: str) -> NoReturn:
        raise RestError(400, f"{self._where} is not JSON: {what} (at character {self._at})")

    def _unusable(self, what: str, status: int = 422) -> None:
        self.problem = self.problem or RestError(status, f"{self._where} {what}")
