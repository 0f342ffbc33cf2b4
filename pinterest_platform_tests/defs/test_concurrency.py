"""Concurrent runs: only one writes a table at a time, and a killed run blocks no other."""

import os
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest
from filelock import FileLock

from local_servers.dagster_home import instance_at
from pinterest_platform.defs.layers import WAITING
from pinterest_platform_tests.landing import land, land_posts, pin
from pinterest_platform_tests.process import DEADLINE_SECONDS, Pinterest

NOW = datetime.now(UTC)
TODAY = NOW.date().isoformat()
MADE = dg.DagsterEventType.ASSET_MATERIALIZATION
CHECKED = dg.DagsterEventType.ASSET_CHECK_EVALUATION


@pytest.fixture
def pinterest(tmp_path: Path) -> Pinterest:
    """A home where four hundred posts of today have landed."""
    home = tmp_path / "home"
    land_posts(home / "landing", range(400), arrived_at=NOW)
    return Pinterest(home)


def spans(instance: dg.DagsterInstance) -> dict[str, list[tuple[float, float]]]:
    """The periods in which each step worked on its tables, in all runs, in order."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for run in instance.get_runs():
        times: dict[str, list[float]] = defaultdict(list)
        for entry in instance.all_logs(run.run_id, of_type={MADE, CHECKED}):
            event = entry.dagster_event
            assert event
            assert event.step_key
            times[event.step_key].append(entry.timestamp)
            if event.event_type == MADE:
                materialized = event.step_materialization_data.materialization
                seconds = materialized.metadata["seconds"]
                assert isinstance(seconds, dg.FloatMetadataValue)
                times[event.step_key].append(entry.timestamp - (seconds.value or 0))
        for step, at in times.items():
            found[step].append((min(at), max(at)))
    return {step: sorted(times) for step, times in found.items()}


def test_two_concurrent_runs_of_a_day_take_turns(pinterest: Pinterest) -> None:
    # The first run must not be creating the instance when the second starts.
    assert pinterest("run", "--day", TODAY, "--select", "raw/pin").returncode == 0
    land_posts(pinterest.home / "landing", range(400, 800), offset=400, arrived_at=NOW)
    processes = [pinterest.start("run", "--day", TODAY) for _ in range(2)]
    for process in processes:
        printed = process.communicate(timeout=DEADLINE_SECONDS)
        assert process.returncode == 0, printed
    assert pinterest.query(
        "SELECT count(*) AS n, count(DISTINCT offset_or_sequence_number) AS keys FROM raw.pin"
    ) == [{"n": 800, "keys": 800}]
    with instance_at(pinterest.home / "dagster") as instance:
        steps = spans(instance)
    assert {step: len(times) for step, times in steps.items() if step != "raw_batch"} == {
        "raw_stream": 2,
        "cleaned": 2,
        "analytics": 2,
    }
    for step, times in steps.items():
        for (_, ended), (began, _) in pairwise(times):
            assert ended <= began, step


@contextmanager
def at_work(pinterest: Pinterest, step: str) -> Iterator[None]:
    """Another run that works on the tables of a step."""
    with FileLock(pinterest.home / "dagster" / "storage" / f"{step}.lock"):
        yield


def until_it_waits(process: "subprocess.Popen[str]", pinterest: Pinterest) -> None:
    """Wait until the last run logs that it waits for another."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    with instance_at(pinterest.home / "dagster") as instance:
        while True:
            (run,) = instance.get_runs(limit=1)
            printed = [entry.user_message for entry in instance.all_logs(run.run_id)]
            if not run.is_finished and WAITING in printed:
                return
            assert process.poll() is None, "it did not wait"
            assert time.monotonic() < deadline, "it neither waits nor ends"
            time.sleep(0.1)


def test_a_waiting_run_can_be_interrupted(pinterest: Pinterest) -> None:
    assert pinterest("run", "--day", TODAY, "--select", "raw/pin").returncode == 0
    with at_work(pinterest, "raw_batch"):
        # It has no other step to run meanwhile.
        waiting = pinterest.start("run", "--day", TODAY, "--select", "raw/geo")
        until_it_waits(waiting, pinterest)
        waiting.send_signal(signal.SIGINT)
        _, stderr = waiting.communicate(timeout=DEADLINE_SECONDS)
    assert (waiting.returncode, stderr) == (
        1,
        "Error: the run was interrupted; the next run catches up\n",
    )


def test_a_waiting_run_continues_when_the_other_ends(pinterest: Pinterest) -> None:
    assert pinterest("run", "--day", TODAY, "--select", "raw/pin").returncode == 0
    with at_work(pinterest, "raw_batch"):
        waiting = pinterest.start("run", "--day", TODAY)
        until_it_waits(waiting, pinterest)
    printed = waiting.communicate(timeout=DEADLINE_SECONDS)
    assert waiting.returncode == 0, printed


def killed_at_work(pinterest: Pinterest) -> None:
    """A run that was killed during a step."""
    process = pinterest.start("run", "--day", TODAY)
    assert process.stdout
    for line in process.stdout:
        if "raw/pin" in line:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def test_a_killed_run_does_not_block_the_next(pinterest: Pinterest) -> None:
    killed_at_work(pinterest)
    ran = pinterest("run", "--day", TODAY)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_waiting_run_continues_when_the_other_is_killed(
    pinterest: Pinterest,
) -> None:
    """The first run is suspended during a step, so that the second must wait for it."""
    assert pinterest("run", "--day", TODAY, "--select", "raw/pin").returncode == 0
    for ind in range(1500):
        land(pinterest.home / "landing", "pinterest.geo", 400 + ind, [pin(ind)], arrived_at=NOW)
    first = pinterest.start("run", "--day", TODAY)
    assert first.stdout
    for line in first.stdout:
        if "raw/pin" in line:
            break
    first.send_signal(signal.SIGSTOP)
    try:
        second = pinterest.start("run", "--day", TODAY)
        until_it_waits(second, pinterest)
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.communicate()
    printed = second.communicate(timeout=DEADLINE_SECONDS)
    assert second.returncode == 0, printed
