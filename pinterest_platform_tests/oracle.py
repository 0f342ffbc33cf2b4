"""The expected outputs, computed from the source database without the platform's code."""

import re
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

SQL = Path(__file__).with_name("expected.sql")
TABLES = {"pinterest_data": "index", "geolocation_data": "ind", "user_data": "ind"}

Row = dict[str, Any]


def source_rows(database: Path) -> dict[str, list[Row]]:
    """All rows of the three source tables."""
    with sqlite3.connect(database) as connection:
        connection.row_factory = sqlite3.Row
        return {
            table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
            for table in TABLES
        }


def expected_outputs(database: Path, inds: Iterable[int]) -> dict[str, list[Row]]:
    """The rows of each output if exactly the posts ``inds`` were sent."""
    sent = set(inds)
    with duckdb.connect() as connection:
        for table, rows in source_rows(database).items():
            kept = [row for row in rows if row[TABLES[table]] in sent]
            connection.register(table, pa.Table.from_pylist(kept))
        views, *outputs = re.split(r"^-- ([a-z_]+)$", SQL.read_text(), flags=re.MULTILINE)
        connection.execute(views)
        names, statements = outputs[::2], outputs[1::2]
        return {
            name: connection.sql(statement).to_arrow_table().to_pylist()
            for name, statement in zip(names, statements, strict=True)
        }
