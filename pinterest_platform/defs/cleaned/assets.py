"""The cleaned tables: raw rows become typed rows, or quarantined rows with a reason."""

from collections.abc import Iterator

import dagster as dg

from pinterest_platform.defs.layers import Event, check_specs, materialise, specs
from pinterest_platform.defs.partitions import DAILY
from pinterest_platform.defs.resources import EngineResource
from pinterest_platform.tables.catalog import in_schema

TABLES = in_schema("cleaned")


@dg.multi_asset(
    specs=specs(TABLES),
    check_specs=check_specs(TABLES),
    partitions_def=DAILY,
    backfill_policy=dg.BackfillPolicy.single_run(),
    can_subset=True,
    pool="cleaned",
)
def cleaned(context: dg.AssetExecutionContext, engine: EngineResource) -> Iterator[Event]:
    """Replace the days of the run."""
    yield from materialise(context, engine)
