"""Takes apart what a sender packed as a JSON array of objects: as many records in one value.

``spark.read.json`` gives a row for each element of such an array, and so do the raw tables. An
array of anything else, or one that is not JSON, stays the one record that it came as, so that it is
seen in quarantine.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pinterest_platform.ingest.rows import SCHEMA
from pinterest_platform.tables.json_text import BYTE_ORDER_MARK, DEEPEST

# An array of a few megabytes can hold a million objects; a batch repeats the names of topic and
# object for each of them.
BATCH_ROWS = 100_000

# The characters before which a value can be an array: white space as JSON has it, and a mark.
_FIRST = pa.array(["[", " ", "\t", "\n", "\r", BYTE_ORDER_MARK])

_BLANK = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


# Numbers stay text: Python refuses whole ones of more than 4300 digits.
_DECODE = json.JSONDecoder(parse_constant=_no_constant, parse_int=str, parse_float=str).raw_decode


def split(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The rows of a data source, with a row for each object of a value that is an array of them.

    The natural key of an element is ``<offset or sequence number>:<place>``, counted from 0; its
    value is its text as it stands in the array. A batch without an array is passed on as it is.

    Args:
        batch: rows of ``rows.SCHEMA``.
    """
    value = batch.column("value")
    first = pc.utf8_slice_codeunits(value, 0, 1)
    found: dict[int, list[str]] = {}
    for row in np.flatnonzero(pc.is_in(first, _FIRST)):
        objects = objects_in(value[row].as_py())
        if objects is not None:
            found[int(row)] = objects
    if not found:
        yield batch
        return
    values = [found.get(row) or [text] for row, text in enumerate(value.to_pylist())]
    owner = np.repeat(np.arange(len(values)), [len(texts) for texts in values])
    numbers = batch.column("offset_or_sequence_number").to_pylist()
    keys = [
        f"{number}:{place}" if row in found else number
        for row, number in enumerate(numbers)
        for place in range(len(values[row]))
    ]
    texts = [text for of_row in values for text in of_row]
    for begin in range(0, len(texts), BATCH_ROWS):
        piece = slice(begin, begin + BATCH_ROWS)
        of_piece = pa.array(owner[piece])
        replaced = {
            "value": pa.array(texts[piece], pa.string()),
            "offset_or_sequence_number": pa.array(keys[piece], pa.string()),
        }
        columns = [
            replaced[name] if name in replaced else batch.column(name).take(of_piece)
            for name in SCHEMA.names
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def record_at(text: str, places: Sequence[int]) -> str | None:
    """The record at a natural key's places within a value; None when it is not there.

    Args:
        text: the whole value.
        places: those behind the offset; none for a value that is one record.
    """
    for place in places:
        objects = objects_in(text) or []
        if place >= len(objects):
            return None
        text = objects[place]
    return text


def objects_in(text: str) -> list[str] | None:
    """The texts of the objects in a JSON array of nothing else; None when the text is not one."""
    at = _after_blank(text, len(BYTE_ORDER_MARK) if text.startswith(BYTE_ORDER_MARK) else 0)
    if not text.startswith("[", at):
        return None
    at = _after_blank(text, at + 1)
    if not text.startswith("{", at) or _is_too_deep(text):
        return None
    found: list[str] = []
    while text.startswith("{", at):
        try:
            _, end = _DECODE(text, at)
        except ValueError:
            return None
        found.append(text[at:end])
        at = _after_blank(text, end)
        if text.startswith("]", at):
            return found if _after_blank(text, at + 1) == len(text) else None
        if not text.startswith(",", at):
            return None
        at = _after_blank(text, at + 1)
    return None


def _after_blank(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


def _is_too_deep(text: str) -> bool:
    """Whether an object in the array is deeper than a record may be; Python would recurse."""
    if text.count("{") + text.count("[") <= DEEPEST:
        return False
    brackets = np.frombuffer(_STRING.sub(b"", text.encode()), np.uint8)
    steps = np.isin(brackets, list(b"{[")).astype(np.int64) - np.isin(brackets, list(b"}]"))
    return int(steps.cumsum().max()) > DEEPEST + 1
