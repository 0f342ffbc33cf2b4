"""The job that every schedule, sensor and terminal runs."""

import dagster as dg

from pinterest_platform.defs.partitions import DAILY

JOB = "arrivals_to_analytics"

# The tag of runs that a terminal started: the process that works on them, as "<host>:<pid>".
PROCESS_TAG = "pinterest/process"

arrivals_to_analytics = dg.define_asset_job(
    JOB,
    selection=dg.AssetSelection.groups("raw", "cleaned", "analytics"),
    partitions_def=DAILY,
    description="Takes the arrivals of a day from landing objects and streams to the analytics.",
)
