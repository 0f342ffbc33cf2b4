"""The sensor that updates the analytics after manual runs, backfills and failed runs."""

import dagster as dg

from pinterest_platform.defs.jobs import INCREMENTAL_TAGS

# Less often than the arrival sensors, whose runs include the analytics.
INTERVAL_SECONDS = 15

analytics_up_to_date = dg.AutomationConditionSensorDefinition(
    "analytics_up_to_date",
    target=dg.AssetSelection.groups("analytics"),
    description="Materialises posts and the outputs when cleaned tables are newer.",
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    run_tags=INCREMENTAL_TAGS,
    # Only user code can evaluate a custom condition.
    use_user_code_server=True,
)
