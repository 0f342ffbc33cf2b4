"""One poll of the landing topics, for arrivals since a cursor."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from pinterest_platform.ingest.landing.arrivals import misplaced, reject_undated
from pinterest_platform.ingest.landing.cursor import (
    arrivals_of,
    moved,
    new_since,
    read_cursor,
    write_cursor,
)
from pinterest_platform.ingest.landing.watermark import LandingWatermark
from pinterest_platform.ingest.polling import Found, Nothing
from pinterest_platform.object_store import open_store
from pinterest_platform.settings import Settings

# Shorter than a tick's wait for late answers, so that the tick reports S3's own error.
_PATIENCE = timedelta(seconds=6)


def poll(settings: Settings, text: str | None, deadline: float) -> Found | Nothing:
    """The objects that landed since the cursor with this text.

    Raises:
        PlatformError: the landing place cannot be read, or holds objects that cannot be ingested.
    """
    place = settings.landing
    cursor = read_cursor(text)
    if not cursor and not place.startswith("s3://") and not Path(place).exists():
        return Nothing(f"Nothing has landed yet: there is no folder {place}.")
    store = open_store(place, patience=_PATIENCE)
    topics = settings.topics
    seen, new = new_since(store, list(topics.values()), cursor, deadline, place)
    reject_undated(new, settings.start_date, datetime.now(UTC))
    newest = max((last.newest for last in seen.values()), default=None)
    return Found(
        arrivals={
            kind: arrivals
            for kind, topic in topics.items()
            if (arrivals := arrivals_of(each for each in new if each.key.topic == topic))
        },
        cursor=write_cursor(seen),
        is_covered=lambda kind, watermark: LandingWatermark.from_json(watermark).covers(
            moved(cursor, seen, topics[kind])
        ),
        counted="objects",
        polled=(
            f"{len(seen)} partitions of {', '.join(topics.values())} in {place}, "
            + (
                f"newest object of {_at(newest)}"
                if newest is not None
                else misplaced(store, topics.values(), place) or "no object yet"
            )
        ),
    )


def _at(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
