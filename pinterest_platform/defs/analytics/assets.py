"""The analytic tables: posts and the eleven outputs, over all days."""

from collections.abc import Iterator

import dagster as dg

from pinterest_platform.defs.analytics.automation import UP_TO_DATE
from pinterest_platform.defs.layers import Event, check_specs, materialise, specs
from pinterest_platform.defs.resources import EngineResource
from pinterest_platform.tables.catalog import in_schema

TABLES = in_schema("analytics")


@dg.multi_asset(
    specs=[spec.replace_attributes(automation_condition=UP_TO_DATE) for spec in specs(TABLES)],
    check_specs=check_specs(TABLES),
    # As the days above them: a run over a range of days makes these once.
    backfill_policy=dg.BackfillPolicy.single_run(),
    can_subset=True,
    pool="analytics",
)
def analytics(context: dg.AssetExecutionContext, engine: EngineResource) -> Iterator[Event]:
    """Replace the tables."""
    yield from materialise(context, engine)
