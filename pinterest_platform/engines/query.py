"""SQL over the lake, with tables under the names that the platform gives them."""

import re

import pyarrow as pa
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException

from pinterest_platform.engines.engine import Engine
from pinterest_platform.engines.faults import first_line
from pinterest_platform.engines.lake import Lake
from pinterest_platform.errors import PlatformError
from pinterest_platform.tables.catalog import TABLES

# What a query begins with. EXPLAIN is not among them: EXPLAIN ANALYZE DELETE deletes.
_BEGINNINGS = ("select", "with", "from", "values")

# What may follow WITH or FROM in Spark SQL and is no query.
_WRITES = frozenset(("insert", "update", "delete", "merge"))

# Comments, texts and quoted names: a word in them is no statement.
_NO_WORDS = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`", re.DOTALL
)


def query(engine: Engine, sql: str) -> pa.Table:
    """The answer to a query over tables such as ``raw.pin`` and ``analytics.posts``.

    Raises:
        PlatformError: the SQL is no query, cannot be run, or names a table not made yet.
    """
    bare = _NO_WORDS.sub(" ", sql).lower().strip(" \t\r\n;")
    words = re.findall(r"[a-z_0-9]+", bare)
    if not words or words[0] not in _BEGINNINGS or ";" in bare or not _WRITES.isdisjoint(words):
        raise PlatformError(
            "only one query is run, the lake stays as it is: begin with SELECT or WITH "
            "(and write `insert` for a column of that name)"
        )
    lake = Lake(engine.session, engine.places.lake)
    for full_name, table in TABLES.items():
        written = rf"\b({table.schema})`?\s*\.\s*`?({table.name})\b"
        # As they are written: not every engine takes names regardless of case.
        for schema, name in set(re.findall(written, sql, re.IGNORECASE)):
            if not lake.exists(table):
                raise PlatformError(
                    f"there is no {full_name} in the lake {engine.places.lake} yet: `pinterest run`"
                )
            lake.register(table, schema, name)
    try:
        return engine.session.sql(sql).toArrow()
    except (PySparkException, Py4JJavaError) as error:
        raise lake.fault(error) or PlatformError(
            f"the SQL cannot be run: {lake.shown(first_line(error))}"
        ) from None
