"""The daily partitions of raw and cleaned tables, and the days of a run."""

from collections.abc import Collection
from datetime import date, timedelta

import dagster as dg

from pinterest_platform.settings import load

# Today is included: its arrivals are processed as they come.
DAILY = dg.DailyPartitionsDefinition(start_date=load().start_date.isoformat(), end_offset=1)

_DAY = "dagster/partition"
_FIRST, _LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def tags_of(days: Collection[date]) -> dict[str, str]:
    """The tags of a run over the range from the first to the last of ``days``; none for no days."""
    if not days:
        return {}
    first, last = min(days).isoformat(), max(days).isoformat()
    return {_DAY: first} if first == last else {_FIRST: first, _LAST: last}


def days_of(run: dg.DagsterRun) -> list[date]:
    """The days of a run, ascending; none for a run of unpartitioned assets."""
    first = run.tags.get(_DAY) or run.tags.get(_FIRST)
    last = run.tags.get(_DAY) or run.tags.get(_LAST)
    if not first or not last:
        return []
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [start + timedelta(days=past) for past in range((end - start).days + 1)]
