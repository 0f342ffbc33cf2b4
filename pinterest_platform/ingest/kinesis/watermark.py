"""How far a raw table has ingested a stream."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pinterest_platform.ingest.kinesis.cursor import Seen


@dataclass(frozen=True)
class StreamWatermark:
    """The last ingested sequence number of each shard, for the stream created at ``created_at``."""

    created_at: str
    shards: Mapping[str, str]

    def covers(self, seen: Seen, before: Seen | None) -> bool:
        """Whether the table has ingested all records that a tick has seen.

        Args:
            seen: how far the tick has read the stream.
            before: how far the previous tick had read it.
        """
        if self.created_at != seen.created_at:
            return False
        known = before.shards if before and before.created_at == seen.created_at else {}
        # The last number of a newly closed shard is unknown, so the shard is not covered.
        return all(
            number is not None and int(number) <= int(self.shards.get(shard, "-1"))
            for shard, number in seen.shards.items()
            if shard not in known or number != known[shard]
        )

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "StreamWatermark":
        """The watermark that ``to_json`` wrote; from an empty mapping, one of no stream."""
        return cls(found.get("created_at", ""), found.get("shards", {}))
