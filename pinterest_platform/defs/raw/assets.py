"""The raw tables, an asset step a channel: what has arrived becomes rows, each once."""

from collections.abc import Iterator, Mapping

import dagster as dg

from pinterest_platform.defs.layers import Event, check_specs, materialise, specs
from pinterest_platform.defs.partitions import DAILY
from pinterest_platform.defs.resources import EngineResource
from pinterest_platform.tables import raw
from pinterest_platform.tables.contract import Table


def _from(group: str, tables: Mapping[str, Table]) -> list[dg.AssetSpec]:
    """The assets of a channel's tables, each made from the external asset of its kind."""
    deps = {table.full_name: [dg.AssetKey([group, kind])] for kind, table in tables.items()}
    return specs(tables.values(), deps)


@dg.multi_asset(
    specs=_from("landing", raw.BATCH),
    check_specs=check_specs(raw.BATCH.values()),
    partitions_def=DAILY,
    backfill_policy=dg.BackfillPolicy.single_run(),
    can_subset=True,
    pool="raw_batch",
)
def raw_batch(context: dg.AssetExecutionContext, engine: EngineResource) -> Iterator[Event]:
    """Add what has landed on the days of the run."""
    yield from materialise(context, engine)


@dg.multi_asset(
    specs=_from("streams", raw.STREAM),
    check_specs=check_specs(raw.STREAM.values()),
    partitions_def=DAILY,
    backfill_policy=dg.BackfillPolicy.single_run(),
    can_subset=True,
    pool="raw_stream",
)
def raw_stream(context: dg.AssetExecutionContext, engine: EngineResource) -> Iterator[Event]:
    """Add what the streams got on the days of the run."""
    yield from materialise(context, engine)
