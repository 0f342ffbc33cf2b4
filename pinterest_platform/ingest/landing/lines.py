"""JSON text as a line of a landing object: compact UTF-8 that keeps each value's spelling."""

import json
import re
from itertools import islice
from math import inf

import msgspec

_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_WITHOUT_BLANKS = re.compile(rf'(?:{_STRING}|[^ \t\n\r"]++)++')
_ESCAPED = re.compile(_STRING)

# How many pieces of a text are joined at a time, to limit memory.
_PIECES = 8192

# The longest escape of one byte: \\u0041.
_ESCAPE = 6

_DECODER = json.JSONDecoder()
_ENCODER = json.JSONEncoder(ensure_ascii=False)


def compact(text: str, limit: float = inf, surrogates: str = "backslashreplace") -> bytes:
    r"""Valid JSON text as UTF-8, without white space and needless escapes.

    Args:
        text: the text of one value.
        limit: the largest useful result in bytes: of a text that is sure to exceed it, escapes may
            stay.
        surrogates: an error handler of ``str.encode`` for lone surrogates, which UTF-8 cannot
            encode; by default they stay escapes such as ``\ud800``.
    """
    matches = _WITHOUT_BLANKS.finditer(text)
    pieces: list[str] = []
    while some := [match.group() for match in islice(matches, _PIECES)]:
        pieces.append("".join(some))
    text = "".join(pieces)
    if "\\" in text and len(text) <= limit * _ESCAPE:
        text = _ESCAPED.sub(_unescape, text)
    return text.encode("utf-8", surrogates)


def compact_json(value: bytes) -> bytes:
    """The same as ``compact`` in a tenth of the time, for UTF-8 that msgspec accepts."""
    line = msgspec.json.format(value, indent=-1)
    if b"\\u" in line or b"\\/" in line:
        # Only these escapes may be needless.
        line = _ESCAPED.sub(_unescape, line.decode()).encode()
    return line


def _unescape(string: re.Match[str]) -> str:
    text = string.group()
    return _ENCODER.encode(_DECODER.raw_decode(text)[0]) if "\\" in text else text
