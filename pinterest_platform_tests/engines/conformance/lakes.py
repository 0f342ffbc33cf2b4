"""Reads and corrupts lakes with another implementation of Delta."""

import shutil
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from pinterest_platform.tables import raw
from pinterest_platform.tables.catalog import OUTPUTS, TABLES, in_schema
from pinterest_platform.tables.contract import Table
from pinterest_platform_tests.rows import VOLATILE

Row = dict[str, Any]
Rows = dict[str, list[Row]]


def rows_of(lake: Path, table: Table) -> list[Row]:
    """All rows without columns that differ between runs; sorted, unless the table is ordered.

    Timestamps are in UTC, whatever the time zone of this process.
    """
    found = _arrow(lake, table)
    rows: list[Row] = found.drop_columns(
        [name for name in VOLATILE if name in found.column_names]
    ).to_pylist()
    return rows if table.ordered else sorted(rows, key=repr)


def tables_of(lake: Path) -> Rows:
    """The rows of every table of the lake."""
    return {name: rows_of(lake, table) for name, table in TABLES.items()}


def files_of_partitions(lake: Path, table: Table) -> list[int]:
    """The number of current files of each partition of a table."""
    files = DeltaTable(_location(lake, table)).file_uris()
    return sorted(Counter(Path(file).parent for file in files).values())


def spoil(good: Path, spoilt: Path) -> None:
    """Copy a lake and add rows that fail every check of their table, except ``not_empty``."""
    shutil.copytree(good, spoilt)
    for name, table in TABLES.items():
        _rewrite(spoilt, table, _SPOILT.get(name, _spoilt_output))


def empty(good: Path, emptied: Path) -> None:
    """Copy a lake without the rows of its analytics."""
    shutil.copytree(good, emptied)
    for table in in_schema("analytics"):
        _rewrite(emptied, table, lambda rows: rows.clear())


def make_outdated(lake: Path, table: Table) -> None:
    """Rewrite a table as if an earlier contract, with another column, had built it."""
    rows = pa.table({"former": ["x"], table.column_names[-1]: ["text"]})
    write_deltalake(_location(lake, table), rows, mode="overwrite", schema_mode="overwrite")


def _location(lake: Path, table: Table) -> str:
    return str(lake / table.schema / table.name)


def _arrow(lake: Path, table: Table) -> pa.Table:
    return DeltaTable(_location(lake, table)).to_pyarrow_table()


def _rewrite(lake: Path, table: Table, change: Callable[[list[Row]], Any]) -> None:
    found = _arrow(lake, table)
    rows = found.to_pylist()
    change(rows)
    if rows:
        first = rows[0]
        rows += [first | {name: None} for name in _nullable(table)]
    write_deltalake(
        _location(lake, table), pa.Table.from_pylist(rows, found.schema), mode="overwrite"
    )


def _nullable(table: Table) -> list[str]:
    """The required columns that can be null in a checked row.

    Not the day, which is the partition, nor the time of ingestion, which identifies the reads of a
    stream.
    """
    return [
        column.name
        for column in table.columns
        if not (column.nullable or column.name in ("day", "ingested_at"))
    ]


def _spoilt_raw(rows: list[Row]) -> None:
    first = rows[0]
    rows += [
        first,
        first | {"value": None, "value_bytes": None},
        first | {"arrived_at": first["arrived_at"] + timedelta(days=1)},
    ]


def _spoilt_stream(rows: list[Row]) -> None:
    # The last ones were read so late that earlier records had expired.
    for row in rows[-5:]:
        row["ingested_at"] = datetime(2050, 1, 1, tzinfo=UTC)
    _spoilt_raw(rows)


def _spoilt_quarantine(rows: list[Row]) -> None:
    first = rows[0]
    rows += [
        first,
        first | {"kind": "board"},
        first | {"offset_or_sequence_number": "90000"},
        *(first | {"offset_or_sequence_number": str(91_000 + number)} for number in range(200)),
    ]
    rows[1]["reason"] = "no reason"


def _spoilt_pins(rows: list[Row]) -> None:
    rows.append(rows[0])
    rows[1]["offset_or_sequence_number"] = "90000"
    for row in rows[5:105]:
        row["category"] = None
        row |= {"follower_count": None, "unreadable_follower_count": "many"}


def _spoilt_geolocations(rows: list[Row]) -> None:
    rows.append(rows[0])
    rows[1]["offset_or_sequence_number"] = "90000"
    rows[2]["coordinates"] = [90.1, 0.0]
    rows[3]["coordinates"] = [0.0]
    _without_pin(rows)


def _spoilt_users(rows: list[Row]) -> None:
    rows.append(rows[0])
    del rows[1]
    rows[2]["age"] = 121
    _without_pin(rows)


def _without_pin(rows: list[Row]) -> None:
    for row in rows[5:30]:
        row["ind"] += 100_000


def _spoilt_posts(rows: list[Row]) -> None:
    rows.append(rows[0])
    rows[1] |= {"age": 10, "age_group": "18-24"}
    rows[2] |= {"age": 30, "age_group": "30-40"}
    for row in rows[5:55]:
        row["coordinates"] = None


def _spoilt_output(rows: list[Row]) -> None:
    rows.append(rows[0])
    measure = list(rows[0])[-1]
    rows.append(rows[0] | {measure: -1})


_SPOILT: dict[str, Callable[[list[Row]], None]] = {
    **{table.full_name: _spoilt_raw for table in raw.BATCH.values()},
    **{table.full_name: _spoilt_stream for table in raw.STREAM.values()},
    "cleaned.quarantine": _spoilt_quarantine,
    "cleaned.pins": _spoilt_pins,
    "cleaned.geolocations": _spoilt_geolocations,
    "cleaned.users": _spoilt_users,
    "analytics.posts": _spoilt_posts,
    **{table.full_name: _spoilt_output for table in OUTPUTS},
}
