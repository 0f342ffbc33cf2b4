"""The raw tables: one step per channel ingests its arrivals, each record once."""

from collections.abc import Mapping

import dagster as dg

from pinterest_platform.defs.layers import layer
from pinterest_platform.tables import raw
from pinterest_platform.tables.contract import Table


def _external(group: str, tables: Mapping[str, Table]) -> dict[str, list[dg.AssetKey]]:
    """The external asset that each table ingests."""
    return {table.full_name: [dg.AssetKey([group, kind])] for kind, table in tables.items()}


raw_batch = layer(
    "raw_batch",
    raw.BATCH.values(),
    "Adds the records that landed on the days of the run.",
    deps=_external("landing", raw.BATCH),
)

raw_stream = layer(
    "raw_stream",
    raw.STREAM.values(),
    "Adds the records that the streams received on the days of the run.",
    deps=_external("streams", raw.STREAM),
)
