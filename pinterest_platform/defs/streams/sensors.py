"""The sensor that notices records in the streams and asks for the run that carries them on."""

import time
from datetime import date

import dagster as dg

from pinterest_platform.defs.ticks import INTERVAL_SECONDS, JOB, reached, result
from pinterest_platform.errors import PlatformError
from pinterest_platform.ingest.kinesis.client import Connection, is_configured
from pinterest_platform.ingest.kinesis.cursor import (
    described,
    is_held,
    new_since,
    read_cursor,
    write_cursor,
)
from pinterest_platform.ingest.polling import BUDGET_SECONDS, REQUESTS_AT_ONCE
from pinterest_platform.settings import Settings, load
from pinterest_platform.tables import raw


@dg.sensor(
    job_name=JOB,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def stream_arrivals(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Carries the records of the streams on when they arrive.

    Raises:
        PlatformError: Kinesis cannot be asked, or holds what cannot be carried on; the next tick
        looks again from the same cursor.
    """
    settings = load()
    if not is_configured(settings.aws_region):
        return dg.SensorResult(
            skip_reason="No AWS region is set, so there are no streams to watch: set AWS_REGION.",
            cursor=context.cursor,
        )
    deadline = time.monotonic() + BUDGET_SECONDS
    kinesis = Connection(settings.aws_region or None, REQUESTS_AT_ONCE)
    found = described(kinesis, list(settings.streams.values()), deadline)
    streams = [stream for stream in found.values() if stream is not None]
    cursor = read_cursor(context.cursor)
    seen, new = new_since(kinesis, streams, cursor, deadline)
    news = {
        dg.AssetKey(["streams", kind]): new[name]
        for kind, name in settings.streams.items()
        if name in new
    }
    for name, each in new.items():
        _reject_undated(name, min(each.days), settings)
    missing = [name for name, stream in found.items() if stream is None]
    return result(
        context,
        news,
        write_cursor(seen),
        held={
            key
            for kind, name in settings.streams.items()
            if (key := dg.AssetKey(["streams", kind])) in news
            and all(
                is_held(cursor, seen, name, so_far)
                for so_far in reached(context.instance, raw.STREAM[kind], news[key].days)
            )
        },
        counted="records",
        looked_at=(
            f"{sum(len(stream.shards) for stream in streams)} shards of "
            f"{', '.join(stream.name for stream in streams) or 'no stream'}"
            + (f"; there is no {', '.join(missing)}" if missing else "")
        ),
    )


def _reject_undated(stream: str, day: date, settings: Settings) -> None:
    if day < settings.start_date:
        raise PlatformError(
            f"a record of the stream {stream} arrived on {day}, before the first partition "
            f"{settings.start_date}: set PINTEREST_START_DATE to {day} or earlier"
        )
