"""Which failed steps are retried, and when."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from pyspark.sql import DataFrame

from pinterest_platform.definitions import defs
from pinterest_platform.defs import layers
from pinterest_platform.defs.jobs import JOB, PROCESS_TAG
from pinterest_platform.tables.catalog import TABLES
from pinterest_platform_tests.kinesis import turned_kinesis
from pinterest_platform_tests.lake.tampering import double_a_row
from pinterest_platform_tests.landing import land_posts

NOW = datetime.now(UTC)
PINS = [dg.AssetKey(["raw", "pin"])]
STREAM_PINS = [dg.AssetKey(["raw", "pin_stream"])]

NO_KINESIS = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
}


class Stopped(Exception):
    """Ends a run early."""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def reason(result: dg.ExecuteInProcessResult) -> str:
    """The failure message of the only step."""
    (failed,) = result.get_step_failure_events()
    return str(failed.step_failure_data.user_failure_data)


def run(
    instance: dg.DagsterInstance,
    assets: list[dg.AssetKey],
    on_retry: Callable[[dg.DagsterEvent], None] = lambda _: None,
    **tags: str,
) -> dg.ExecuteInProcessResult:
    """Run assets for today; call ``on_retry`` before each retry of a step."""
    run_id = dg.DagsterRun(job_name=JOB).run_id

    def listen(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event and event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY:
            on_retry(event)

    instance.add_event_listener(run_id, listen)
    return (
        defs()
        .resolve_job_def(JOB)
        .execute_in_process(
            instance=instance,
            run_id=run_id,
            asset_selection=assets,
            partition_key=str(NOW.date()),
            raise_on_error=False,
            tags=tags,
        )
    )


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configure an endpoint of Kinesis that does not answer."""
    for name, value in NO_KINESIS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("outage")
def test_a_step_is_retried_two_minutes_after_an_outage(
    instance: dg.DagsterInstance,
) -> None:
    waits: list[float | None] = []

    def stop(event: dg.DagsterEvent) -> None:
        waits.append(event.step_retry_data.seconds_to_wait)
        raise Stopped

    run(instance, STREAM_PINS, stop)
    assert waits == [120]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "RETRY_SECONDS", 0)


@pytest.mark.usefixtures("at_once", "outage")
def test_a_step_is_retried_three_times_and_reports_the_outage(
    instance: dg.DagsterInstance,
) -> None:
    retries: list[dg.DagsterEvent] = []
    result = run(instance, STREAM_PINS, retries.append)
    assert (result.success, len(retries)) == (False, 3)
    assert "cannot be reached" in reason(result)


@pytest.mark.usefixtures("at_once", "outage")
def test_a_run_succeeds_once_the_outage_is_over(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:

        def recover(_event: dg.DagsterEvent) -> None:
            _, environment = stack.enter_context(turned_kinesis())
            for name, value in environment.items():
                monkeypatch.setenv(name, value)

        assert run(instance, STREAM_PINS, on_retry=recover).success
    (materialized,) = instance.fetch_materializations(STREAM_PINS[0], limit=9).records
    assert materialized.asset_materialization


@pytest.mark.usefixtures("at_once")
def test_a_wrong_setting_fails_at_once(instance: dg.DagsterInstance) -> None:
    """As when the landing folder does not exist."""
    retries: list[dg.DagsterEvent] = []
    result = run(instance, PINS, retries.append)
    assert (result.success, retries) == (False, [])
    assert "set PINTEREST_LANDING" in reason(result)


def raise_a_type_error(*_: DataFrame) -> DataFrame:
    raise TypeError("unsupported operand type(s) for +: 'int' and 'str'")


@pytest.mark.usefixtures("at_once")
def test_a_programming_error_fails_at_once(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "analytics.top_user_by_country"
    broken = replace(TABLES[name], transform=raise_a_type_error)
    monkeypatch.setitem(TABLES, name, broken)
    retries: list[dg.DagsterEvent] = []
    result = run(instance, [dg.AssetKey(name.split("."))], retries.append)
    assert (result.success, retries) == (False, [])
    assert "TypeError" in str(result.get_step_failure_events()[0].step_failure_data.error)


@pytest.mark.usefixtures("at_once")
def test_a_failed_check_is_not_retried(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    land_posts(tmp_path / "home" / "landing", range(3), arrived_at=NOW)
    retries: list[dg.DagsterEvent] = []
    assert run(instance, PINS, retries.append).success
    double_a_row(tmp_path / "home" / "lake" / "raw" / "pin")
    result = run(instance, PINS, retries.append)
    assert (result.success, retries) == (False, [])
    (failed,) = result.get_step_failure_events()
    assert "unique_key" in str(failed.step_failure_data.user_failure_data)


@pytest.mark.usefixtures("at_once", "outage")
def test_runs_in_a_terminal_are_not_retried(instance: dg.DagsterInstance) -> None:
    retries: list[dg.DagsterEvent] = []
    result = run(instance, STREAM_PINS, retries.append, **{PROCESS_TAG: "here:1"})
    assert (result.success, retries) == (False, [])
    assert "cannot be reached" in reason(result)
