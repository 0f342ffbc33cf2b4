"""Steps that fail: what is tried again, when, and what is not."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from pinterest_platform.definitions import defs
from pinterest_platform.defs import layers
from pinterest_platform.defs.jobs import JOB, PROCESS_TAG
from pinterest_platform_tests.lake.tampering import double_a_row
from pinterest_platform_tests.landing import land_posts

NOW = datetime.now(UTC)
PINS = [dg.AssetKey(["raw", "pin"])]


class Stopped(Exception):
    """Ends a run where a test has seen enough."""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def run(
    instance: dg.DagsterInstance,
    assets: list[dg.AssetKey],
    on_retry: Callable[[dg.DagsterEvent], None] = lambda _: None,
    **tags: str,
) -> dg.ExecuteInProcessResult:
    """Run assets for today; call ``on_retry`` when a step is about to be tried again."""
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


def test_what_is_out_of_reach_is_tried_again_in_two_minutes(
    instance: dg.DagsterInstance,
) -> None:
    waits: list[float | None] = []

    def stop(event: dg.DagsterEvent) -> None:
        waits.append(event.step_retry_data.seconds_to_wait)
        raise Stopped

    run(instance, PINS, stop)
    assert waits == [120]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "RETRY_SECONDS", 0)


@pytest.mark.usefixtures("at_once")
def test_it_is_tried_three_times_more_and_says_why_it_failed(
    instance: dg.DagsterInstance,
) -> None:
    retries: list[dg.DagsterEvent] = []
    result = run(instance, PINS, retries.append)
    assert (result.success, len(retries)) == (False, 3)
    (failed,) = result.get_step_failure_events()
    failure = failed.step_failure_data.user_failure_data
    assert failure
    assert "set PINTEREST_LANDING" in str(failure.description)


@pytest.mark.usefixtures("at_once")
def test_a_run_succeeds_once_what_it_needs_is_there(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    landing = tmp_path / "home" / "landing"
    result = run(instance, PINS, on_retry=lambda _: land_posts(landing, range(3), arrived_at=NOW))
    assert result.success
    (made,) = instance.fetch_materializations(PINS[0], limit=9).records
    assert made.asset_materialization
    assert made.asset_materialization.metadata["dagster/row_count"].value == 3


@pytest.mark.usefixtures("at_once")
def test_wrong_data_is_not_tried_again(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    land_posts(tmp_path / "home" / "landing", range(3), arrived_at=NOW)
    retries: list[dg.DagsterEvent] = []
    assert run(instance, PINS, retries.append).success
    double_a_row(tmp_path / "home" / "lake" / "raw" / "pin")
    result = run(instance, PINS, retries.append)
    assert (result.success, retries) == (False, [])
    (failed,) = result.get_step_failure_events()
    assert "unique_key" in str(failed.step_failure_data.user_failure_data)


@pytest.mark.usefixtures("at_once")
def test_in_a_terminal_nothing_is_tried_again(instance: dg.DagsterInstance) -> None:
    retries: list[dg.DagsterEvent] = []
    result = run(instance, PINS, retries.append, **{PROCESS_TAG: "here:1"})
    assert (result.success, retries) == (False, [])
    (failed,) = result.get_step_failure_events()
    assert "set PINTEREST_LANDING" in str(failed.step_failure_data.user_failure_data)
