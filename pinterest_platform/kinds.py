"""The kinds of record, each with its names from the source database to the cleaned table.

Settings, assets, ingestion, cleaning, emulator and benchmarks all use these definitions. The
columns of a cleaned table are defined with its transform, in ``tables/cleaned``.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of record.

    Args:
        name: the name in topics, streams and raw tables: ``pin``.
        noun: the word for such a record in descriptions.
        source_table: the table of the source database.
        source_description: what a row of that table represents.
        id_fields: the fields that may contain the post's number; the first non-null one counts.
        cleaned: the cleaned table, without the schema.
    """

    name: str
    noun: str
    source_table: str
    source_description: str
    id_fields: tuple[str, ...]
    cleaned: str

    def topic(self, platform_id: str) -> str:
        """The Kafka topic: ``<id>.pin``."""
        return f"{platform_id}.{self.name}"

    def stream(self, platform_id: str) -> str:
        """The Kinesis stream: ``streaming-<id>-pin``."""
        return f"streaming-{platform_id}-{self.name}"

    @property
    def raw_batch(self) -> str:
        """The raw table of records from Kafka, without the schema."""
        return self.name

    @property
    def raw_stream(self) -> str:
        """The raw table of records from Kinesis, without the schema."""
        return f"{self.name}_stream"

    @property
    def raw_tables(self) -> tuple[str, str]:
        """The full names of both."""
        return f"raw.{self.raw_batch}", f"raw.{self.raw_stream}"

    @property
    def cleaned_table(self) -> str:
        """The full name of the cleaned table."""
        return f"cleaned.{self.cleaned}"


PIN = Kind(
    name="pin",
    noun="pin",
    source_table="pinterest_data",
    source_description="One row per post: its content, with the key `index`.",
    id_fields=("index", "ind"),
    cleaned="pins",
)
GEO = Kind(
    name="geo",
    noun="geolocation",
    source_table="geolocation_data",
    source_description="One row per post: its place and time, with the key `ind`.",
    id_fields=("ind", "index"),
    cleaned="geolocations",
)
USER = Kind(
    name="user",
    noun="user",
    source_table="user_data",
    source_description="One row per post: its user, with the key `ind`.",
    id_fields=("ind", "index"),
    cleaned="users",
)

# In the order in which the records of a post are sent.
KINDS: dict[str, Kind] = {kind.name: kind for kind in (PIN, GEO, USER)}
