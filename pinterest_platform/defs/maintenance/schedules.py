"""The schedules of the upkeep."""

import dagster as dg

from pinterest_platform.defs.jobs import MAINTENANCE, OLD_RUNS


# After the run that closes the day.
@dg.schedule(
    cron_schedule="45 1 * * *",
    execution_timezone="UTC",
    job_name=MAINTENANCE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def daily_upkeep(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Maintains the files of the tables."""
    return dg.RunRequest(run_key=context.scheduled_execution_time.date().isoformat())


@dg.schedule(
    cron_schedule="15 2 * * *",
    execution_timezone="UTC",
    job_name=OLD_RUNS,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def daily_old_runs(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Deletes old runs from Dagster's storage."""
    return dg.RunRequest(run_key=context.scheduled_execution_time.date().isoformat())
