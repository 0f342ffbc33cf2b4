"""The job that carries a day from raw to the analytics, and the schedule that starts it."""

from datetime import timedelta

import dagster as dg

from pinterest_platform.defs.partitions import DAILY
from pinterest_platform.defs.ticks import JOB

arrivals_to_analytics = dg.define_asset_job(
    JOB,
    selection=dg.AssetSelection.groups("raw", "cleaned", "analytics"),
    partitions_def=DAILY,
    description="Carries what arrived on a day from the landing objects to the analytic tables.",
)


# A quarter of an hour past midnight, so that what arrived in the day's last seconds has landed.
# A run of that day may work at that time; the pools of the tables let this one wait for it.
@dg.schedule(
    cron_schedule="15 0 * * *",
    execution_timezone="UTC",
    job=arrivals_to_analytics,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def daily_partitions(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Closes the day that just ended."""
    yesterday = (context.scheduled_execution_time - timedelta(days=1)).date().isoformat()
    return dg.RunRequest(run_key=yesterday, partition_key=yesterday)
