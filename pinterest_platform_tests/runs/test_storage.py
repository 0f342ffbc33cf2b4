"""Dagster's storage on this machine: others see the events of a run at once, and in any home."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import dagster as dg
import pytest
import yaml
from dagster import DagsterEventType

from local_servers.dagster_home import instance_at
from pinterest_platform.runs import storage
from pinterest_platform.runs.instance import instance_of
from pinterest_platform.settings import load

# For events that are seen within milliseconds.
DEADLINE_SECONDS = 60


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with instance_of(load()) as opened:
        yield opened


@dg.op
def nothing() -> None:
    """An op with the usual events."""


@dg.job
def small() -> None:
    nothing()


def test_a_run_is_seen_by_others_while_it_works(home: Path, instance: dg.DagsterInstance) -> None:
    """A webserver watches a run like this while its page is open."""
    seen = Queue[DagsterEventType | None]()

    @dg.op
    def wait_for_its_start_to_be_seen() -> None:
        while seen.get(timeout=DEADLINE_SECONDS) != DagsterEventType.STEP_START:
            pass

    @dg.job
    def watched() -> None:
        wait_for_its_start_to_be_seen()

    def note(entry: dg.EventLogEntry, _: str) -> None:
        seen.put(entry.dagster_event_type)

    run_id = str(uuid.uuid4())
    with instance_at(home) as other:
        other.watch_event_logs(run_id, None, note)
        ran = watched.execute_in_process(instance=instance, run_id=run_id, raise_on_error=False)
    assert ran.success


def test_more_runs_are_kept_than_databases_are_open(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "MOST_DATABASES", 2)
    runs = [small.execute_in_process(instance=instance) for _ in range(4)]
    counts = {len(instance.all_logs(run.run_id)) for run in runs}
    assert counts == {len(runs[0].all_events)}


def test_a_home_can_return_to_the_storage_of_dagster(
    home: Path, instance: dg.DagsterInstance
) -> None:
    run = small.execute_in_process(instance=instance)
    configuration = home / "dagster.yaml"
    settings = yaml.safe_load(configuration.read_text())
    del settings["storage"]
    configuration.write_text(yaml.safe_dump(settings))
    with instance_at(home) as other:
        assert type(other.event_log_storage) is not type(instance.event_log_storage)
        assert other.get_run_by_id(run.run_id) == instance.get_run_by_id(run.run_id)
        assert other.all_logs(run.run_id) == instance.all_logs(run.run_id)


def test_a_run_that_another_process_deleted_is_gone(
    home: Path, instance: dg.DagsterInstance
) -> None:
    run = small.execute_in_process(instance=instance)
    with instance_at(home) as other:
        assert other.all_logs(run.run_id)
        instance.delete_run(run.run_id)
        assert other.all_logs(run.run_id) == []


def test_wiped_runs_are_gone_and_new_ones_are_kept(instance: dg.DagsterInstance) -> None:
    before = small.execute_in_process(instance=instance)
    instance.wipe()
    after = small.execute_in_process(instance=instance)
    assert instance.all_logs(before.run_id) == []
    assert len(instance.all_logs(after.run_id)) == len(after.all_events)
