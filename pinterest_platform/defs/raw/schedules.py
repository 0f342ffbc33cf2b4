"""The schedule that closes each day."""

import dagster as dg

from pinterest_platform.defs.jobs import JOB
from pinterest_platform.defs.staleness import day_to_close


# A quarter of an hour past midnight, so that the day's last arrivals have landed.
@dg.schedule(
    cron_schedule="15 0 * * *",
    execution_timezone="UTC",
    job_name=JOB,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def daily_partitions(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Runs the day that just ended once more, to ingest its last arrivals."""
    day = day_to_close(context.scheduled_execution_time).isoformat()
    return dg.RunRequest(run_key=day, partition_key=day)
