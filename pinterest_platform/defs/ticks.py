"""What a tick of an arrival sensor does with what it found: one run for the days of it, or why not.

How a channel finds what is new lives with the channel, in ``landing/`` and ``streams/``.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from pinterest_platform.defs.layers import REACHED, asset_key
from pinterest_platform.defs.partitions import days_of, tags_of
from pinterest_platform.ingest.polling import Arrivals
from pinterest_platform.tables.catalog import TABLES
from pinterest_platform.tables.contract import Table

JOB = "arrivals_to_analytics"

# What arrives is looked for four times a minute: the run that carries it on takes about as long.
INTERVAL_SECONDS = 15

_ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


def reached(
    instance: dg.DagsterInstance, table: Table, days: Collection[date]
) -> Iterator[Mapping[str, Any]]:
    """How far a raw table went when it was last made for each of the days; see ``request.Made``.

    Nowhere, unless the run that made it carried all of the day on to the analytics.
    """
    for day in days:
        of_day = dg.AssetRecordsFilter(
            asset_key(table.full_name), asset_partitions=[day.isoformat()]
        )
        made = instance.fetch_materializations(of_day, limit=1).records
        materialisation = made[0].asset_materialization if made else None
        found = materialisation.metadata.get(REACHED) if materialisation else None
        if isinstance(found, dg.JsonMetadataValue) and _was_whole(instance, made[0].run_id):
            yield dict(found.value or {})
        else:
            yield {}


def _was_whole(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a run made every table and succeeded."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.status != dg.DagsterRunStatus.SUCCESS or run.job_name != JOB:
        return False
    return not run.asset_selection or run.asset_selection >= set(map(asset_key, TABLES))


def result(
    context: dg.SensorEvaluationContext,
    news: Mapping[dg.AssetKey, Arrivals],
    cursor: str,
    *,
    held: Collection[dg.AssetKey],
    counted: str,
    looked_at: str,
) -> dg.SensorResult:
    """Ask for one run over the days of what is new, unless one waits or works already.

    Args:
        context: of the tick.
        news: what is new, by the external asset that it belongs to.
        cursor: what has been seen once the run is asked for.
        held: those whose news has all been carried on already, by a run that something else
            started: the other sensor, mostly.
        counted: what Arrivals.count counts, in one word.
        looked_at: what the tick looked at, for the reason to ask for nothing.
    """
    now = datetime.now(UTC)
    observed = [_observed(key, new, counted, now) for key, new in news.items()]
    days = {day for key, new in news.items() if key not in held for day in new.days}
    if not days:
        reason = "Nothing new" if not news else "What is new was carried on already"
        return dg.SensorResult(
            skip_reason=f"{reason}: looked at {looked_at}.", cursor=cursor, asset_events=observed
        )
    if max(days) > now.date():
        return _waits(context, f"Something arrived on {max(days)}, which has not begun here (UTC).")
    run = _unfinished_run(context.instance, days)
    if run is not None:
        return _waits(
            context,
            f"Run {run.run_id} ({run.job_name}, {_span(days_of(run))}) is {run.status.value}: "
            f"what is new of {_span(days)} waits for its end.",
        )
    digest = hashlib.sha256(cursor.encode()).hexdigest()[:16]
    return dg.SensorResult(
        run_requests=[dg.RunRequest(f"{_span(days)} {digest}", tags=tags_of(days))],
        cursor=cursor,
        asset_events=observed,
    )


def _waits(context: dg.SensorEvaluationContext, reason: str) -> dg.SensorResult:
    """Nothing is asked for; the next tick finds the same and more."""
    return dg.SensorResult(skip_reason=reason, cursor=context.cursor)


def _unfinished_run(instance: dg.DagsterInstance, days: Collection[date]) -> dg.DagsterRun | None:
    """A run about one of the days that waits or works, whoever started it."""
    unfinished = dg.RunsFilter(
        statuses=[each for each in dg.DagsterRunStatus if each not in _ENDED]
    )
    return next(
        (run for run in instance.get_runs(unfinished) if not set(days).isdisjoint(days_of(run))),
        None,
    )


def _span(days: Collection[date]) -> str:
    first, last = min(days), max(days)
    return str(first) if first == last else f"{first} to {last}"


def _observed(key: dg.AssetKey, new: Arrivals, counted: str, now: datetime) -> dg.AssetObservation:
    return dg.AssetObservation(
        key,
        metadata={
            f"new_{counted}": new.count,
            "bytes": new.bytes,
            "newest_arrival": dg.MetadataValue.timestamp(new.newest),
            "lag_seconds": round((now - new.newest).total_seconds(), 3),
        },
    )
