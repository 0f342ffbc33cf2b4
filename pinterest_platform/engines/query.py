"""SQL over the lake, with tables under the names that the platform gives them."""

import re

import pyarrow as pa
from pyspark.errors import PySparkException

from pinterest_platform.engines.engine import Engine
from pinterest_platform.engines.lake import Lake, first_line
from pinterest_platform.errors import PlatformError
from pinterest_platform.tables.catalog import TABLES

_READS = ("select", "with", "from", "values", "table", "show", "describe", "desc", "explain")


def query(engine: Engine, sql: str) -> pa.Table:
    """The answer to a query over tables such as ``raw.pin`` and ``analytics.posts``.

    Raises:
        PlatformError: the SQL is no query, cannot be run, or names a table not made yet.
    """
    words = re.findall(r"[a-z_]+", sql.lower())
    if not words or words[0] not in _READS:
        raise PlatformError(
            f"only queries are run ({', '.join(_READS).upper()}), the lake stays as it is"
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
    except PySparkException as error:
        raise PlatformError(f"the SQL cannot be run: {first_line(error)}") from None
