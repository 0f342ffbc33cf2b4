"""Upkeep: the files of the lake's tables, layer by layer, and old runs in Dagster's storage."""

from collections.abc import Iterable, Iterator

import dagster as dg

from pinterest_platform.build.outcomes import Maintained, summary
from pinterest_platform.build.request import Request
from pinterest_platform.defs.jobs import MAINTENANCE
from pinterest_platform.defs.layers import OWNERS, as_table, asset_key, exclusively, failures_of
from pinterest_platform.defs.maintenance.old_runs import delete_old_runs
from pinterest_platform.defs.resources import EngineResource
from pinterest_platform.settings import load
from pinterest_platform.tables import raw
from pinterest_platform.tables.catalog import in_schema
from pinterest_platform.tables.contract import Table

_COLUMNS = ("table", "files_before", "files_after", "bytes_before", "bytes_after")


def _upkeep(layer_name: str, tables: Iterable[Table]) -> dg.AssetsDefinition:
    """The asset that maintains the tables of a layer, in the pool of the step that writes them."""
    names = tuple(table.full_name for table in tables)

    @dg.asset(
        key=[MAINTENANCE, layer_name],
        group_name=MAINTENANCE,
        deps=[asset_key(name) for name in names],
        description=(
            "Compacts the tables' small files, and deletes replaced files and log entries that are "
            "older than `PINTEREST_LAKE_RETENTION_DAYS`. The counts include replaced files until "
            "they are deleted, so the first upkeep of a table adds to them."
        ),
        kinds={"delta"},
        owners=OWNERS,
        pool=layer_name,
    )
    def upkeep(
        context: dg.AssetExecutionContext, engine: EngineResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        request = Request(upkeep=names, retention_days=load().lake_retention_days)
        maintained = []
        with failures_of(context):
            for outcome in exclusively(context, layer_name, engine.build(context, request)):
                assert isinstance(outcome, Maintained)  # noqa: S101 - nothing else was requested
                context.log.info(summary(outcome))
                maintained.append(outcome)
        rows = [{name: str(getattr(each, name)) for name in _COLUMNS} for each in maintained]
        totals = {name: sum(getattr(each, name) for each in maintained) for name in _COLUMNS[1:]}
        yield dg.MaterializeResult(metadata={**totals, "tables": as_table(rows, _COLUMNS)})

    return upkeep


raw_batch = _upkeep("raw_batch", raw.BATCH.values())
raw_stream = _upkeep("raw_stream", raw.STREAM.values())
cleaned = _upkeep("cleaned", in_schema("cleaned"))
analytics = _upkeep("analytics", in_schema("analytics"))


@dg.asset(
    key=[MAINTENANCE, "runs"],
    group_name=MAINTENANCE,
    description=(
        "Deletes runs of this platform, their events and logs that are older than "
        "`PINTEREST_RUN_RETENTION_DAYS`, except those with the latest materialisation of an asset "
        "or partition."
    ),
    kinds={"dagster"},
    owners=OWNERS,
)
def runs(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Delete old runs."""
    with failures_of(context):
        deleted, kept = delete_old_runs(context.instance, load().run_retention_days)
    return dg.MaterializeResult(metadata={"deleted_runs": deleted, "kept_old_runs": kept})
