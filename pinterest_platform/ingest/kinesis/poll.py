"""One poll of the streams, for arrivals since a cursor."""

from datetime import date

from pinterest_platform.errors import ConfigurationError
from pinterest_platform.ingest.kinesis.client import Connection, is_configured
from pinterest_platform.ingest.kinesis.cursor import (
    described,
    new_since,
    read_cursor,
    write_cursor,
)
from pinterest_platform.ingest.kinesis.watermark import StreamWatermark
from pinterest_platform.ingest.polling import REQUESTS_AT_ONCE, Found, Nothing
from pinterest_platform.settings import Settings


def poll(settings: Settings, text: str | None, deadline: float) -> Found | Nothing:
    """The records that the streams received since the cursor with this text.

    Raises:
        PlatformError: Kinesis does not answer, or has records that cannot be ingested.
    """
    if not is_configured(settings.aws_region):
        return Nothing("No AWS region is set, so there are no streams to poll: set AWS_REGION.")
    kinesis = Connection(settings.aws_region or None, REQUESTS_AT_ONCE)
    names = settings.streams
    found = described(kinesis, list(names.values()), deadline)
    streams = [stream for stream in found.values() if stream is not None]
    cursor = read_cursor(text)
    seen, new = new_since(kinesis, streams, cursor, deadline)
    for name, arrivals in new.items():
        _reject_undated(name, min(arrivals.days), settings)
    missing = [name for name, stream in found.items() if stream is None]
    return Found(
        arrivals={kind: new[name] for kind, name in names.items() if name in new},
        cursor=write_cursor(seen),
        is_covered=lambda kind, watermark: StreamWatermark.from_json(watermark).covers(
            seen[names[kind]], cursor.get(names[kind])
        ),
        counted="records",
        polled=(
            f"{sum(len(stream.shards) for stream in streams)} shards of "
            f"{', '.join(stream.name for stream in streams) or 'no stream'}"
            + (f"; there is no {', '.join(missing)}" if missing else "")
        ),
    )


def _reject_undated(stream: str, day: date, settings: Settings) -> None:
    if day < settings.start_date:
        raise ConfigurationError(
            f"a record of the stream {stream} arrived on {day}, before the first partition "
            f"{settings.start_date}: set PINTEREST_START_DATE to {day} or earlier"
        )
