"""The sensor that notices landing objects and asks for the run that carries them on."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from pinterest_platform.defs.ticks import INTERVAL_SECONDS, JOB, reached, result
from pinterest_platform.ingest.landing.arrivals import misplaced, reject_undated
from pinterest_platform.ingest.landing.cursor import (
    is_held,
    new_since,
    news_of,
    read_cursor,
    write_cursor,
)
from pinterest_platform.ingest.polling import BUDGET_SECONDS
from pinterest_platform.object_store import open_store
from pinterest_platform.settings import load
from pinterest_platform.tables import raw

# Less than a tick waits for answers that are late, so that S3 is given up on with its own error.
_PATIENCE = timedelta(seconds=6)


@dg.sensor(
    job_name=JOB,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def landing_arrivals(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Carries landing objects on when they arrive.

    Raises:
        PlatformError: the landing place cannot be read or holds what cannot be carried on; the next
        tick looks again from the same cursor.
    """
    settings = load()
    place = settings.landing
    cursor = read_cursor(context.cursor)
    if not cursor and not place.startswith("s3://") and not Path(place).exists():
        return dg.SensorResult(skip_reason=f"Nothing has landed yet: there is no folder {place}.")
    store = open_store(place, patience=_PATIENCE)
    seen, arrivals = new_since(
        store,
        list(settings.topics.values()),
        cursor,
        time.monotonic() + BUDGET_SECONDS,
        place,
    )
    reject_undated(arrivals, settings.start_date, datetime.now(UTC))
    topics = settings.topics.items()
    news = {
        dg.AssetKey(["landing", kind]): new
        for kind, topic in topics
        if (new := news_of(arrival for arrival in arrivals if arrival.key.topic == topic))
    }
    newest = max((last.newest for last in seen.values()), default=None)
    return result(
        context,
        news,
        write_cursor(seen),
        held={
            key
            for kind, topic in topics
            if (key := dg.AssetKey(["landing", kind])) in news
            and all(
                is_held(cursor, seen, topic, so_far)
                for so_far in reached(context.instance, raw.BATCH[kind], news[key].days)
            )
        },
        counted="objects",
        looked_at=(
            f"{len(seen)} partitions of {', '.join(settings.topics.values())} in {place}, "
            + (
                f"newest object of {_at(newest)}"
                if newest is not None
                else misplaced(store, settings.topics.values(), place) or "no object yet"
            )
        ),
    )


def _at(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
