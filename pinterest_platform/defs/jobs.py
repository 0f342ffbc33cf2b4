"""The jobs: one that sensors, the daily schedule and terminals run, and two for upkeep."""

import dagster as dg

from pinterest_platform.defs.partitions import DAILY

JOB = "arrivals_to_analytics"

# Tag of runs started in a terminal: the process that executes them, as "<host>:<pid>".
PROCESS_TAG = "pinterest/process"

# Tag of runs that only add new records; see ``Request``. Runs without it rebuild their days: runs
# from the UI, backfills and the daily schedule.
INCREMENTAL_TAGS = {"pinterest/incremental": "true"}

arrivals_to_analytics = dg.define_asset_job(
    JOB,
    selection=dg.AssetSelection.groups("raw", "cleaned", "analytics"),
    partitions_def=DAILY,
    description="Carries a day's arrivals from landing objects and streams to the analytics.",
)

MAINTENANCE = "maintenance"

# Not in the job of the tables, which holds the pools of all layers until its end.
OLD_RUNS = "old_runs"

maintenance = dg.define_asset_job(
    MAINTENANCE,
    selection=dg.AssetSelection.groups(MAINTENANCE) - dg.AssetSelection.assets("maintenance/runs"),
    description="Compacts the tables' files, and deletes those that are older than the retention.",
)

old_runs = dg.define_asset_job(
    OLD_RUNS,
    selection=dg.AssetSelection.assets("maintenance/runs"),
    description="Deletes old runs, their events and logs.",
)
