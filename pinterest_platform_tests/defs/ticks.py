"""Ticks of a real sensor in a test's own process."""

import dagster as dg


class Ticks:
    """The ticks of one sensor: each begins with the cursor that the one before left."""

    def __init__(self, sensor: dg.SensorDefinition, instance: dg.DagsterInstance) -> None:
        self.sensor = sensor
        self.instance = instance
        self.cursor: str | None = None

    def __call__(self) -> dg.SensorResult:
        result = self.sensor(dg.build_sensor_context(self.instance, cursor=self.cursor))
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return result


def days(result: dg.SensorResult) -> str | None:
    """The days of the one run that a tick asks for; None when it asks for none."""
    if not result.run_requests:
        return None
    (request,) = result.run_requests
    first = request.tags.get("dagster/asset_partition_range_start")
    last = request.tags.get("dagster/asset_partition_range_end")
    return f"{first} to {last}" if first else request.tags["dagster/partition"]


def skipped(result: dg.SensorResult) -> str:
    """Why a tick asks for nothing."""
    assert not result.run_requests
    assert not result.asset_events
    assert isinstance(result.skip_reason, dg.SkipReason)
    return str(result.skip_reason.skip_message)


def counts(result: dg.SensorResult, counted: str) -> dict[str, int]:
    """How many new objects or records a tick observed, by the last part of the asset's key."""
    found = {}
    for event in result.asset_events:
        number = event.metadata[f"new_{counted}"].value
        assert isinstance(number, int)
        found[event.asset_key.path[-1]] = number
    return found
