"""Arrival sensors: a tick polls a channel and requests one run for the days of its arrivals."""

import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime

import dagster as dg

from pinterest_platform.defs.jobs import INCREMENTAL_TAGS, JOB
from pinterest_platform.defs.partitions import days_of, tags_of
from pinterest_platform.defs.staleness import ingested_watermarks, unfinished_run
from pinterest_platform.ingest import polling
from pinterest_platform.ingest.polling import Arrivals, Found, Nothing
from pinterest_platform.settings import Settings, load
from pinterest_platform.tables.contract import Table

# The shortest interval that Dagster's daemon keeps to.
INTERVAL_SECONDS = 5

Poll = Callable[[Settings, str | None, float], Found | Nothing]


def arrival_sensor(
    name: str, poll: Poll, *, group: str, tables: Mapping[str, Table], description: str
) -> dg.SensorDefinition:
    """A sensor that requests a run of the job when a channel has arrivals.

    Args:
        name: the sensor's name.
        poll: polls the channel; after a PlatformError the next tick polls from the same cursor.
        group: the group of the channel's external assets, ``<group>/<kind>``.
        tables: the channel's raw table of each kind.
        description: the sensor's description in the UI.
    """

    @dg.sensor(
        name=name,
        job_name=JOB,
        description=description,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        found = poll(load(), context.cursor, time.monotonic() + polling.BUDGET_SECONDS)
        if isinstance(found, Nothing):
            return _skipped(context, found.reason)
        # A run of the other sensor may have ingested all of it already.
        stale = {
            kind: arrivals
            for kind, arrivals in found.arrivals.items()
            if not all(
                found.is_covered(kind, watermark)
                for watermark in ingested_watermarks(context.instance, tables[kind], arrivals.days)
            )
        }
        return _result(context, found, group, {day for each in stale.values() for day in each.days})

    return sensor


def _result(
    context: dg.SensorEvaluationContext, found: Found, group: str, days: Collection[date]
) -> dg.SensorResult:
    """Request one run for the days, unless a run of one of them is queued or running."""
    now = datetime.now(UTC)
    observed = [
        _observed(dg.AssetKey([group, kind]), arrivals, found.counted, now)
        for kind, arrivals in found.arrivals.items()
    ]
    if not days:
        reason = "Nothing new" if not found.arrivals else "All arrivals are already ingested"
        return dg.SensorResult(
            skip_reason=f"{reason}. Polled: {found.polled}.",
            cursor=found.cursor,
            asset_events=observed,
        )
    if max(days) > now.date():
        return _skipped(
            context,
            f"There are arrivals of {max(days)}, a day that has not begun on this machine (UTC).",
        )
    run = unfinished_run(context.instance, days)
    if run is not None:
        return _skipped(
            context,
            f"Run {run.run_id} ({run.job_name}, {_span(days_of(run))}) is {run.status.value}: "
            f"the arrivals of {_span(days)} wait until it ends.",
        )
    digest = hashlib.sha256(found.cursor.encode()).hexdigest()[:16]
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(f"{_span(days)} {digest}", tags=tags_of(days) | INCREMENTAL_TAGS)
        ],
        cursor=found.cursor,
        asset_events=observed,
    )


def _skipped(context: dg.SensorEvaluationContext, reason: str) -> dg.SensorResult:
    """Request no run and keep the cursor, so that the next tick finds the same arrivals."""
    return dg.SensorResult(skip_reason=reason, cursor=context.cursor)


def _span(days: Collection[date]) -> str:
    first, last = min(days), max(days)
    return str(first) if first == last else f"{first} to {last}"


def _observed(
    key: dg.AssetKey, arrivals: Arrivals, counted: str, now: datetime
) -> dg.AssetObservation:
    return dg.AssetObservation(
        key,
        metadata={
            f"new_{counted}": arrivals.count,
            "bytes": arrivals.bytes,
            "newest_arrival": dg.MetadataValue.timestamp(arrivals.newest),
            "lag_seconds": round((now - arrivals.newest).total_seconds(), 3),
        },
    )
