"""The schedules of the upkeep, after the run that closes the day."""

import dagster as dg

from pinterest_platform.defs.jobs import MAINTENANCE, OLD_RUNS


def _daily(name: str, job: str, cron: str, description: str) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=name,
        job_name=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        description=description,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


daily_upkeep = _daily("daily_upkeep", MAINTENANCE, "45 1 * * *", "Maintains the tables' files.")
daily_old_runs = _daily("daily_old_runs", OLD_RUNS, "15 2 * * *", "Deletes old runs and events.")
