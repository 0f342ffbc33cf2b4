"""Splits values that are JSON arrays of objects into one record per object.

``spark.read.json`` returns one row per element of such an array, and so do the raw tables. An array
of anything else, or one that is not valid JSON, stays a single record, so that it shows up in
quarantine.
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

# An array can contain a million objects, and a batch repeats topic and object for each.
BATCH_ROWS = 100_000

# The first characters of a possible array: a bracket, JSON white space or a byte order mark.
_FIRST = pa.array(["[", " ", "\t", "\n", "\r", BYTE_ORDER_MARK])

_BLANK = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


# Keep numbers as text: Python rejects integers of more than 4300 digits.
_DECODE = json.JSONDecoder(parse_constant=_no_constant, parse_int=str, parse_float=str).raw_decode


def split(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The rows of a data source, with arrays of objects split into one row per object.

    An element's natural key is ``<offset or sequence number>:<place>``, with the place counted from
    0; its value is its text exactly as in the array. A batch without an array is returned
    unchanged.

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
    """The record at a natural key's places within a value; None if it does not exist.

    Args:
        text: the whole value.
        places: the places after the offset; empty for a value that is one record.
    """
    for place in places:
        objects = objects_in(text) or []
        if place >= len(objects):
            return None
        text = objects[place]
    return text


def objects_in(text: str) -> list[str] | None:
    """The texts of the objects in a JSON array of only objects; None for any other text."""
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
    """Whether an object in the array is nested too deeply for a record; Python would recurse."""
    if text.count("{") + text.count("[") <= DEEPEST:
        return False
    brackets = np.frombuffer(_STRING.sub(b"", text.encode()), np.uint8)
    steps = np.isin(brackets, list(b"{[")).astype(np.int64) - np.isin(brackets, list(b"}]"))
    return int(steps.cumsum().max()) > DEEPEST + 1
