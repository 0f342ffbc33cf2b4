"""The raw tables of the batch channel: landing objects become rows, each once."""

from collections.abc import Iterator

import dagster as dg

from pinterest_platform.defs.layers import Event, check_specs, materialise, specs
from pinterest_platform.defs.partitions import DAILY
from pinterest_platform.defs.resources import EngineResource
from pinterest_platform.tables.catalog import in_schema

TABLES = in_schema("raw")


@dg.multi_asset(
    specs=specs(
        TABLES, {table.full_name: [dg.AssetKey(["landing", table.name])] for table in TABLES}
    ),
    check_specs=check_specs(TABLES),
    partitions_def=DAILY,
    backfill_policy=dg.BackfillPolicy.single_run(),
    can_subset=True,
)
def raw(context: dg.AssetExecutionContext, engine: EngineResource) -> Iterator[Event]:
    """Add what has arrived on the days of the run."""
    yield from materialise(context, engine)
