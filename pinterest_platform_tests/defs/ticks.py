"""Ticks of a real sensor in the test's process."""

import dagster as dg


class Ticks:
    """The ticks of one sensor: each starts with the cursor of the previous one."""

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
    """The days of the run that a tick requests; None if it requests none."""
    if not result.run_requests:
        return None
    (request,) = result.run_requests
    first = request.tags.get("dagster/asset_partition_range_start")
    last = request.tags.get("dagster/asset_partition_range_end")
    return f"{first} to {last}" if first else request.tags["dagster/partition"]


def skipped(result: dg.SensorResult) -> str:
    """Why a tick requests no run."""
    assert not result.run_requests
    assert not result.asset_events
    assert isinstance(result.skip_reason, dg.SkipReason)
    return str(result.skip_reason.skip_message)


def counts(result: dg.SensorResult, counted: str) -> dict[str, int]:
    """The number of new objects or records that a tick observed, by the asset's name."""
    found = {}
    for event in result.asset_events:
        number = event.metadata[f"new_{counted}"].value
        assert isinstance(number, int)
        found[event.asset_key.path[-1]] = number
    return found
