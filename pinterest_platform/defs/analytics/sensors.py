"""The sensor that keeps the analytics up to date after runs by hand, backfills and failed runs."""

import dagster as dg

from pinterest_platform.defs.arrivals import INTERVAL_SECONDS

analytics_up_to_date = dg.AutomationConditionSensorDefinition(
    "analytics_up_to_date",
    target=dg.AssetSelection.groups("analytics"),
    description="Makes posts and the outputs again when cleaned tables are newer than they are.",
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    # The condition is one of our own, which only our code can evaluate.
    use_user_code_server=True,
)
