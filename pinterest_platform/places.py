"""The locations of a run's inputs and outputs, as values that other processes can receive."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pydantic import TypeAdapter


@dataclass(frozen=True, kw_only=True)
class Places:
    """The places of a run, and the limits of its outputs.

    Args:
        lake: a folder, an ``s3://`` URL, or ``unity://<catalog>/<prefix of the schemas>``.
        landing: a folder or an ``s3://`` URL.
        topics: the Kafka topic of each kind of record.
        streams: the Kinesis stream of each kind of record.
        start_date: the first daily partition.
        parameters: the transforms' parameters, by name.
        region: the streams' AWS region; if empty, AWS's own configuration applies.
        environment: variables with credentials for the reading processes; excluded from JSON and
            messages.
    """

    lake: str
    landing: str
    topics: Mapping[str, str]
    start_date: date
    streams: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    region: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, Any]:
        """The places as JSON values, without the environment."""
        found: dict[str, Any] = _ADAPTER.dump_python(self, mode="json", exclude={"environment"})
        return found

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Places":
        """The places that ``to_json`` wrote."""
        return _ADAPTER.validate_python(dict(found))


_ADAPTER = TypeAdapter(Places)
