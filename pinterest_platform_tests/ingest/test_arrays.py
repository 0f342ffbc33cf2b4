"""Splitting of JSON arrays of objects, and values that only resemble one."""

import json
import time

import pyarrow as pa
import pytest

from pinterest_platform.ingest.arrays import BATCH_ROWS, objects_in, record_at, split
from pinterest_platform.ingest.rows import SCHEMA
from pinterest_platform.tables.json_text import DEEPEST

ODD_OBJECTS = (
    '{"a" :  1.10,\t"a":1e400 }',
    '{"t": "\\u00e9 \\ud800 ], [ { \\" \\\\"}',
    "{}",
    '{"n": ' + "7" * 5000 + "}",
    '{"deep": ' + "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1) + "}",
    '{"é": "日本語 😀 \x7f"}',
)


def batch(*values: str | bytes) -> pa.RecordBatch:
    """Rows with offsets from 7; bytes are values that are not UTF-8."""
    count = len(values)
    return pa.RecordBatch.from_arrays(
        [
            pa.array([None if isinstance(value, bytes) else value for value in values]),
            pa.array([value if isinstance(value, bytes) else None for value in values]),
            pa.array(["pinterest.pin"] * count),
            pa.array(["0"] * count),
            pa.array([str(offset) for offset in range(7, 7 + count)]),
            pa.array(["topics/any.json"] * count),
            pa.array([5] * count, pa.int64()),
        ],
        schema=SCHEMA,
    )


def rows(*values: str | bytes) -> list[tuple[str, str | bytes]]:
    """(natural key, value) of the split values."""
    return [
        (row["offset_or_sequence_number"], row["value"] or row["value_bytes"])
        for piece in split(batch(*values))
        for row in piece.to_pylist()
    ]


def test_an_array_of_objects_becomes_one_record_per_object_in_place() -> None:
    assert rows('{"index":1}', '[{"index":2},{"index":3}]', "x", '[{"index":4}]', b"[\xff") == [
        ("7", '{"index":1}'),
        ("8:0", '{"index":2}'),
        ("8:1", '{"index":3}'),
        ("9", "x"),
        ("10:0", '{"index":4}'),
        ("11", b"[\xff"),
    ]


def test_an_element_knows_the_topic_partition_object_and_arrival_of_its_array() -> None:
    (piece,) = split(batch("[{}, {}]"))
    for row in piece.to_pylist():
        del row["offset_or_sequence_number"], row["value"]
        assert row == {
            "value_bytes": None,
            "topic_or_stream": "pinterest.pin",
            "partition_or_shard": "0",
            "source": "topics/any.json",
            "arrived_at_micros": 5,
        }


def test_the_text_of_an_element_is_unchanged() -> None:
    assert objects_in(f"[{', '.join(ODD_OBJECTS)}]") == list(ODD_OBJECTS)


@pytest.mark.parametrize("around", [" \t\r\n", "\ufeff", "\ufeff "])
def test_white_space_and_a_byte_order_mark_may_precede_an_array(around: str) -> None:
    assert rows(f'{around}[ {{"index":1}}\t,\r\n{{"index":2}} ] \r') == [
        ("7:0", '{"index":1}'),
        ("7:1", '{"index":2}'),
    ]


@pytest.mark.parametrize(
    "value",
    [
        "[]",
        "[1, 2]",
        '["{}"]',
        "[null]",
        "[{}, 1]",
        "[{}, null]",
        "[[{}]]",
        "[{}, [{}]]",
        "[{}",
        "[{},]",
        "[{},,{}]",
        "[,{}]",
        "[{} {}]",
        "[{}] x",
        "[{}]]",
        "[{}],[{}]",
        "[{}][{}]",
        '[{"a":1},{"b":}]',
        '[{"a":NaN}]',
        '[{"a":01}]',
        "[{'a':1}]",
        '[{"a":"\x01"}]',
        "[{\u00a0}]",
        "\u00a0[{}]",
        "[{}]\x00",
        "\ufeff\ufeff[{}]",
        '"[{}]"',
        "[",
        " ",
        "",
        '[{"deep": ' + "[" * DEEPEST + "]" * DEEPEST + "}]",
    ],
)
def test_any_other_value_stays_one_record(value: str) -> None:
    assert objects_in(value) is None
    assert [row["value"] for piece in split(batch(value)) for row in piece.to_pylist()] == [value]


def test_a_batch_without_an_array_is_returned_unchanged() -> None:
    given = batch('{"index":1}', "", " {}", b"\xff")
    (piece,) = split(given)
    assert piece is given


def test_an_array_of_very_many_objects_comes_in_several_batches() -> None:
    count = 3 * BATCH_ROWS + 1
    pieces = list(split(batch("[" + ",".join(["{}"] * count) + "]", "{}")))
    keys = [key for piece in pieces for key in piece.column(4).to_pylist()]
    assert keys == [*(f"7:{place}" for place in range(count)), "8"]
    assert max(piece.num_rows for piece in pieces) == BATCH_ROWS


@pytest.mark.parametrize(
    "hostile",
    [
        "[" * 10_000_000,
        "[{" * 5_000_000,
        '[{"a":' * 1_600_000,
        "[" + '{"a":' * 1_000_000 + "1" + "}" * 1_000_000 + "]",
        "[" + "{}," * 3_300_000,
        "[" + " " * 10_000_000,
        '[{"a":"' + '\\"' * 5_000_000,
        "[{}" + "\n" * 10_000_000 + "x",
    ],
    ids=lambda text: text[:8],
)
def test_hostile_values_of_ten_megabytes_take_seconds_and_stay_one_record(hostile: str) -> None:
    began = time.monotonic()
    assert objects_in(hostile) is None
    # Quadratic time would take days.
    assert time.monotonic() - began < 20


def test_a_record_is_found_by_its_places() -> None:
    value = json.dumps([{"a": 1}, {"b": 2}])
    assert record_at(value, []) == value
    assert record_at(value, [1]) == '{"b": 2}'
    assert record_at(value, [2]) is None
    assert record_at("{}", [0]) is None
