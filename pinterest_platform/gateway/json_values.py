"""A reader of JSON that also returns each value's own text.

So numbers keep all digits and their spelling (1.10, 1e400, -0), and members their order. The
fields of a body are known in ``topic_bodies`` and ``stream_bodies``. Both first try msgspec, which
takes a fifth of the time but cannot say what is wrong with a body.
"""

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import NoReturn, TypeVar

import msgspec

from pinterest_platform.gateway.errors import RestError

T = TypeVar("T")

# In a larger body, JsonText finds a violated limit before it has read all of it.
_MAX_FAST_BYTES = 1024 * 1024

# Python does not parse integers of more than 4300 digits (CVE-2020-10735).
_TOO_LONG = b"0" * 4301
_DIGITS_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")

_BLANK = re.compile(r"[ \t\n\r]*")


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def parsed_fast(body: bytes, parse: Callable[[bytes], T | None]) -> T | None:
    """The result of a parser that uses msgspec; None if ``JsonText`` has to read the body.

    ``parse`` returns None for a body with a fault. JSON that is nested about a thousand levels deep
    may be too deep for only one of msgspec and ``JsonText``.
    """
    # Of two lists of records, msgspec checks only the last.
    lists = body.count(b'"records"') + body.count(b'"Records"')
    if len(body) > _MAX_FAST_BYTES or lists > 1 or _TOO_LONG in body.translate(_DIGITS_AS_ZEROS):
        return None
    try:
        # msgspec does not check that raw values are UTF-8.
        body.decode()
        return parse(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


class JsonText:
    """A position in a JSON text, moved by each read.

    ``where`` names the position in errors. Every method raises RestError 400 if the text is not
    JSON.

    Raises:
        RestError: 400 if the body is not UTF-8.
    """

    def __init__(self, body: bytes) -> None:
        self.where = "the body"
        try:
            # Windows PowerShell writes a byte order mark before UTF-8.
            self._text = body.removeprefix(codecs.BOM_UTF8).decode()
        except UnicodeDecodeError as error:
            raise RestError(400, f"the body is not UTF-8: see byte {error.start}") from None
        self._at = 0
        self._decode = json.JSONDecoder(parse_constant=_no_constant).raw_decode

    def members(self) -> Iterator[str]:
        """The names of an object's members; the caller reads a value after each."""
        for _ in self._separated("{", "}"):
            if self.next() != '"':
                self._invalid("a name in double quotes is missing")
            name, _ = self.value()
            self._take(":")
            yield str(name)

    def elements(self) -> Iterator[int]:
        """The indexes of a list's elements; the caller reads a value after each."""
        yield from self._separated("[", "]")

    def next(self) -> str:
        """The next character that is not white space; empty at the end."""
        blank = _BLANK.match(self._text, self._at)
        self._at = blank.end() if blank else self._at
        return self._text[self._at : self._at + 1]

    def value(self) -> tuple[object, str]:
        """The next value and its text."""
        self.next()
        start = self._at
        try:
            value, self._at = self._decode(self._text, start)
        except json.JSONDecodeError as error:
            self._at = error.pos
            self._invalid(error.msg)
        except RecursionError:
            self._invalid("nested too deeply")
        except ValueError as error:
            # See _TOO_LONG.
            too_long = "digits" in str(error)
            self._invalid("a number of more than 4300 digits" if too_long else str(error))
        return value, self._text[start : self._at]

    def end(self) -> None:
        """Check that nothing follows."""
        if self.next():
            self._invalid("text after the end")

    def _separated(self, start: str, end: str) -> Iterator[int]:
        self._take(start)
        index = 0
        if self.next() != end:
            yield index
            while self.next() == ",":
                self._take(",")
                index += 1
                yield index
        self._take(end)

    def _take(self, char: str) -> None:
        if self.next() != char:
            self._invalid(f"'{char}' is missing")
        self._at += 1

    def _invalid(self, what: str) -> NoReturn:
        raise RestError(400, f"{self.where} is not JSON: {what} (at character {self._at})")
