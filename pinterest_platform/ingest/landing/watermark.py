"""How far a raw table has ingested a topic."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pinterest_platform.ingest.landing.cursor import Seen


@dataclass(frozen=True)
class LandingWatermark:
    """The last ingested object of each partition: its first offset, and its arrival in us."""

    objects: Mapping[int, tuple[int, int]]

    def covers(self, seen: Mapping[int, Seen]) -> bool:
        """Whether the table has ingested all objects that a tick has seen, by partition."""
        return all(
            last.offset <= offset and last.newest <= arrived_at
            for partition, last in seen.items()
            for offset, arrived_at in [self.objects.get(partition, (-1, -1))]
        )

    def to_json(self) -> dict[str, Any]:
        """``[offset, arrival]`` by partition."""
        return {str(partition): list(last) for partition, last in self.objects.items()}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "LandingWatermark":
        """The watermark that ``to_json`` wrote."""
        return cls({int(partition): (offset, at) for partition, (offset, at) in found.items()})
