"""Landing objects of another sink, with arrivals that tests set."""

import json
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pinterest_platform.ingest.landing.layout import LandingKey

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def land(
    folder: Path,
    topic: str,
    offset: int,
    values: Iterable[Any],
    *,
    partition: int = 0,
    arrived_at: datetime = NOON,
) -> Path:
    """Write one object: bytes become a line unchanged, other values JSON."""
    lines = [value if isinstance(value, bytes) else as_json(value) for value in values]
    path = folder / str(LandingKey(topic, partition, offset))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    os.utime(path, (arrived_at.timestamp(), arrived_at.timestamp()))
    return path


def as_json(value: Any) -> bytes:
    """Compact UTF-8 JSON, dates in ISO 8601."""
    return json.dumps(
        value, ensure_ascii=False, separators=(",", ":"), default=lambda date: date.isoformat()
    ).encode()


def pin(ind: int, **changes: Any) -> dict[str, Any]:
    """The pin record of a post."""
    return {
        "index": ind,
        "unique_id": f"id-{ind}",
        "title": f"Title {ind}",
        "description": "Described",
        "poster_name": f"Poster {ind % 5}",
        "follower_count": f"{ind % 7 + 1}k",
        "tag_list": "a,b",
        "is_image_or_video": "image",
        "image_src": "https://example.com/1.jpg",
        "downloaded": 1,
        "save_location": "Local save in /data/art",
        "category": ("art", "travel", "quotes")[ind % 3],
    } | changes


def geo(ind: int, **changes: Any) -> dict[str, Any]:
    """The geolocation record of a post."""
    return {
        "ind": ind,
        "timestamp": f"{2018 + ind % 5}-06-15T10:20:30",
        "latitude": 12.5,
        "longitude": -45.25,
        "country": ("Chad", "Peru", "Fiji")[ind % 3],
    } | changes


def user(ind: int, **changes: Any) -> dict[str, Any]:
    """The user record of a post."""
    return {
        "ind": ind,
        "first_name": "Ana",
        "last_name": f"Number {ind % 11}",
        "age": 18 + ind % 50,
        "date_joined": f"{2015 + ind % 6}-01-02T03:04:05",
    } | changes


def land_posts(
    folder: Path,
    inds: Sequence[int],
    *,
    offset: int = 0,
    partition: int = 0,
    arrived_at: datetime = NOON,
) -> None:
    """Write one object per topic with the records of some posts."""
    for kind, record in (("pin", pin), ("geo", geo), ("user", user)):
        land(
            folder,
            f"pinterest.{kind}",
            offset,
            [record(ind) for ind in inds],
            partition=partition,
            arrived_at=arrived_at,
        )
