"""The layout of landing objects: object keys and topic folders.

Source of the layout: the Confluent S3 sink connector's default partitioner and JSON format.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import obstore

from pinterest_platform.errors import ConfigurationError
from pinterest_platform.object_store import Store

_TOPICS = "topics"

# A landing place with more folders is shared with other systems; each folder costs a request per
# topic.
_FOLDERS = 10

_KEY = re.compile(r"^topics/([^/]+)/partition=([0-9]+)/(.+)\+([0-9]+)\+([0-9]{10})\.json$")


@dataclass(frozen=True, order=True)
class LandingKey:
    """The parsed name of a landing object: topic, partition and the offset of its first line."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return (
            f"{partition_prefix(self.topic, self.partition)}"
            f"{self.topic}+{self.partition}+{self.offset:010d}.json"
        )

    @classmethod
    def parse(cls, key: str) -> "LandingKey":
        """Parse a key such as ``topics/a.pin/partition=0/a.pin+0+0000000012.json``.

        Raises:
            PlatformError: the key does not follow the layout or contradicts itself.
        """
        match = _KEY.match(key)
        if match:
            parsed = cls(match[3], int(match[4]), int(match[5]))
            if str(parsed) == key:
                return parsed
        raise ConfigurationError(
            f"the landing object '{key}' does not follow "
            "topics/<topic>/partition=<p>/<topic>+<p>+<start offset, 10 digits>.json: "
            "move it away or set the sink to that layout (JSON lines, no compression)"
        )


def topic_prefix(topic: str) -> str:
    """The folder of a topic's partitions, with a trailing slash."""
    return f"{_TOPICS}/{topic}/"


def partition_prefix(topic: str, partition: int) -> str:
    """The folder of a partition's objects, with a trailing slash."""
    return f"{topic_prefix(topic)}partition={partition}/"


def other_prefix(store: Store, topics: Collection[str]) -> str | None:
    """The folder that contains the topics if ``topics/`` contains none; None if there is none.

    Confluent's sink names the folder by its setting topics.dir. Only a few folders are searched.

    Raises:
        BaseError, OSError: the store cannot be read.
    """

    def has_topic(folder: str) -> bool:
        return any(
            "/partition=" in prefix
            for topic in topics
            for prefix in _folders(store, f"{folder}/{topic}/")
        )

    if has_topic(_TOPICS):
        return None
    folders = [prefix.rstrip("/") for prefix in _folders(store)]
    return next(filter(has_topic, [name for name in folders if name != _TOPICS][:_FOLDERS]), None)


def _folders(store: Store, prefix: str = "") -> Sequence[str]:
    return obstore.list_with_delimiter(store, prefix)["common_prefixes"]
