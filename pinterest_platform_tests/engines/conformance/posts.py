"""The posts for all engines: three days in both channels, with every kind of dirty value.

The days are around the end of winter time in New York, the time zone of some engines.
"""

import base64
import itertools
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from pinterest_platform_tests.kinesis import TurnedKinesis
from pinterest_platform_tests.landing import geo, land, land_posts, pin, user
from pinterest_platform_tests.tables.test_quarantine import PROBLEMS

DAYS = (date(2026, 3, 7), date(2026, 3, 8), date(2026, 3, 9))
BEFORE, DAY, AFTER = DAYS

# Further before the first day than any read goes back.
_STREAMS_MADE = datetime(2026, 2, 1, tzinfo=UTC)
# Longer than the age of these days at any run of the tests.
RETENTION = timedelta(days=3650)

# Text that must stay unchanged.
TEXTS = (
    "😀👩‍👩‍👧‍👦🏳️‍🌈",
    "日本語 한국어 ไทย",
    "\u202bمرحبا\u202c שלום",
    "Ñandú ¡Ω≈ç√! ß İı",
    "e\u0301 and é",
    'quoted " and \\ and /',
    "} {",
    "tab\there, line\nbreak",
    "\u200bzero\ufeff",
    "\x7f\x00",
    "| pipes | and `ticks`",
    "x" * 5000,
)

_FOLLOWERS: tuple[Any, ...] = (
    *("746", "136k", "1.2K", "2M", "1.5m", "1B", "1,234", " 5k\n", "9223372036854775807"),
    *(0, 746, 746.0, 10_000_000.0, 123_456_789.0, None, "User Info Error", ""),
)

_MOMENTS = (
    "2018-11-08 06:29:48",
    "2018-11-08",
    "2018-11-08T06:29",
    "2018-11-08T06:29:48.5Z",
    "2018-11-08T06:29:48.123456789",
    "2018-11-08T06:29:48+05:30",
    "2018-11-08T06:29:48-0800",
    "2020-02-29T23:59:59.999999",
    # An hour that New York skipped, one that it repeated, and the turn of a year there.
    "2018-03-11T02:30:00",
    "2018-11-04T01:30:00",
    "2019-01-01T04:59:59",
    "2019-01-01T05:00:00",
    # Before time zones, before 1970, and before the Gregorian calendar.
    "1969-12-31T23:59:59.999999",
    "1883-11-18T12:00:00",
    "1582-10-10",
    "1500-03-01",
    "0001-01-01",
)

# Edge pins with a geolocation and a user.
_OF_EDGES = range(1000, 1050)

_NAMES = (("李", "小龙"), ("Ana", ""), (None, "Cruz"), ("", None), (" 😀 ", "x\u00a0"), (1, 2.5))


def at(day: date, **later: float) -> datetime:
    """A time after the start of a day, UTC."""
    return datetime.combine(day, time(), UTC) + timedelta(**later)


def land_first(folder: Path) -> None:
    """The landing objects of the three days."""
    for past, day in enumerate(DAYS):
        # Some are sent again on a later day.
        inds = range(past * 150, past * 150 + 250)
        land_posts(folder, inds, offset=past * 250, arrived_at=at(day, hours=12))
    _land_around_midnight(folder)
    _land_edges(folder)
    dirt: dict[str, list[Any]] = {"pin": [], "geo": [], "user": []}
    for kind, value, _ in PROBLEMS:
        dirt[kind].append(value.encode() if isinstance(value, str) else value)
    for kind, values in dirt.items():
        # The dates of problems are five minutes ahead of this time.
        moved = [_moved(value) for value in values]
        arrived_at = at(BEFORE, hours=12)
        land(folder, f"pinterest.{kind}", 0, moved, partition=2, arrived_at=arrived_at)


def land_later(folder: Path) -> None:
    """Arrivals after the first runs: new posts, and newer records of ingested ones."""
    for past, day in enumerate((DAY, AFTER)):
        later = at(day, hours=18)
        inds = range(380 + past * 60, 480 + past * 60)
        land_posts(folder, inds, offset=750 + past * 100, arrived_at=later)


def fill_streams(kinesis: TurnedKinesis) -> None:
    """The same kinds of records in two shards of each stream; a fifth repeats landed posts."""
    for kind, record in (("pin", pin), ("geo", geo), ("user", user)):
        stream = kinesis.create(f"streaming-pinterest-{kind}", shards=2, created_at=_STREAMS_MADE)
        stream.retention = RETENTION
        numbers = itertools.count(220)
        for shard in stream.shards:
            for day in DAYS:
                for minutes in range(15):
                    arrived_at = at(day, hours=13, minutes=minutes, milliseconds=7)
                    stream.put(arrived_at, record(next(numbers)), shard=shard)
            stream.put(at(AFTER, hours=23), b"\xff\xfe not UTF-8", shard=shard)


def _land_around_midnight(folder: Path) -> None:
    """Two posts, three milliseconds apart, on either side of midnight UTC."""
    for offset, milliseconds in enumerate((-1, 2)):
        arrived_at = at(DAY, milliseconds=milliseconds)
        land_posts(folder, [900 + offset], offset=offset, partition=1, arrived_at=arrived_at)


def _land_edges(folder: Path) -> None:
    """Records that are barely usable."""
    for kind, values in (("pin", _pins()), ("geo", _geos()), ("user", _users())):
        land(
            folder,
            f"pinterest.{kind}",
            0,
            values,
            partition=3,
            arrived_at=at(DAY, hours=14),
        )


def _pins() -> Iterator[Any]:
    inds = itertools.count(1000)
    for text in TEXTS:
        for name in ("title", "poster_name"):
            yield pin(next(inds), **{name: text})
    for count in _FOLLOWERS:
        yield pin(next(inds), follower_count=count)
    for changes in (
        {"category": " "},
        {"category": None},
        {"save_location": "Local save in "},
        {"downloaded": "0"},
        {"downloaded": 1.0},
        {"tag_list": None, "title": "No Title Data Available", "poster_name": None},
        {"index": "1100"},
        {"index": 1101.0},
        {"meta": {"title": ["not the title"]}, "title": "} of a post {"},
    ):
        yield pin(next(inds), **changes)
    # Odd and even numbers, for medians between two values.
    for ind in range(100, 400):
        yield pin(ind, follower_count=3 * (ind // 2))
    # As other JSON writers do: escapes, white space, a duplicate field.
    yield json.dumps(pin(next(inds), title="😀 é \u2028")).encode()
    yield json.dumps(pin(next(inds)), indent=1).replace("\n", "\t").encode()
    yield f'{{"index": {next(inds)}, "title": "first", "title": "last"}}'.encode()
    # Several posts in one value, JSON in a string, and values that engines read differently.
    yield [pin(next(inds)), pin(next(inds), title="in an array")]
    yield json.dumps(pin(next(inds)))
    yield base64.b64encode(json.dumps(pin(next(inds), title="in base64")).encode())
    yield (
        json.dumps(pin(next(inds), title="cut \ud83d", category=1e400, poster_name=1e-7))
        .replace("Infinity", "1e400")
        .encode()
    )


def _geos() -> Iterator[Any]:
    inds = itertools.count()
    for moment in _MOMENTS:
        yield geo(next(inds), timestamp=moment)
    for latitude, longitude in ((90, -180.0), ("-90", "1e2"), (-0.0, 5e-324), (1 / 3, "+.5")):
        yield geo(next(inds), latitude=latitude, longitude=longitude)
    yield geo(next(inds), country="Côte d'Ivoire")
    yield geo(next(inds), country=None)
    for ind in _OF_EDGES:
        yield geo(ind)


def _users() -> Iterator[Any]:
    inds = itertools.count()
    for first, last in _NAMES:
        yield user(next(inds), first_name=first, last_name=last)
    for moment in _MOMENTS:
        yield user(next(inds), date_joined=moment)
    for age in (0, 17, 18, 24, 25, 35, 36, 50, 51, 120, "30", 30.0):
        yield user(next(inds), age=age)
    for ind in _OF_EDGES:
        yield user(ind)


def _moved(value: Any) -> Any:
    """A problem's record, with its date five minutes after its arrival on our day."""
    if isinstance(value, dict) and "timestamp" in value:
        return value | {
            "timestamp": str(value["timestamp"]).replace("2026-03-04T", f"{BEFORE.isoformat()}T")
        }
    return value
