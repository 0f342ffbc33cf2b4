"""The schedule of the upkeep."""

import dagster as dg

from pinterest_platform.defs.jobs import MAINTENANCE


# After the run that closes the day.
@dg.schedule(
    cron_schedule="45 1 * * *",
    execution_timezone="UTC",
    job_name=MAINTENANCE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def daily_upkeep(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Maintains the tables and Dagster's storage once a day."""
    return dg.RunRequest(run_key=context.scheduled_execution_time.date().isoformat())
