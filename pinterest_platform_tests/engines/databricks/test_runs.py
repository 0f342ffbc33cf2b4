"""A step and its run on Databricks: interrupted, killed, retried, disconnected."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg
import pytest
from dagster._core.storage.tags import (
    PARENT_RUN_ID_TAG,
    RETRY_NUMBER_TAG,
    ROOT_RUN_ID_TAG,
)

from pinterest_platform.definitions import defs
from pinterest_platform.defs.jobs import JOB, PROCESS_TAG
from pinterest_platform.runs import instance as dagster_instance
from pinterest_platform.settings import load
from pinterest_platform_tests.databricks.conftest import result_of
from pinterest_platform_tests.databricks.workspace import DEADLINE_SECONDS
from pinterest_platform_tests.engines.databricks.site import (
    TODAY,
    Site,
    instance_of,
    land,
)
from pinterest_platform_tests.landing import pin
from pinterest_platform_tests.process import Pinterest
from pinterest_platform_tests.s3_lists import S3

STEP = ("run", "--day", TODAY, "--select", "raw/pin")
PINS = dg.AssetKey(["raw", "pin"])

# Longer than a busy machine takes from the end of a task to the step's next poll.
LATE_SECONDS = 3.0


@pytest.fixture
def pinterest(site: Site, s3: S3) -> Pinterest:
    """A home where three pins have landed."""
    pinterest = site.pinterest(**s3.environment)
    land(s3, pinterest, *map(pin, range(3)))
    return pinterest


@pytest.fixture(autouse=True)
def _repaired(site: Site, s3: S3) -> Iterator[None]:
    """End the faults of each test."""
    yield
    s3.gate.set()
    site.workspace.faults.let_go()
    site.workspace.faults.delay_messages(0)


@contextmanager
def at_work(site: Site, s3: S3, pinterest: Pinterest) -> Iterator[Callable[[], int]]:
    """A step whose task works until the block ends; yields a function that kills only the step.

    The function returns the number of the step's run.
    """
    number = len(site.workspace.submitted)
    s3.gate.clear()
    process = pinterest.start(*STEP)

    def kill() -> int:
        process.kill()
        process.communicate()
        return number

    try:
        site.workspace.wait_for_run(number, "RUNNING")
        yield kill
    finally:
        s3.gate.set()
        kill()


@pytest.mark.parametrize("state", ["PENDING", "RUNNING"])
def test_an_interrupted_run_cancels_its_run_on_databricks(
    site: Site, s3: S3, pinterest: Pinterest, state: str
) -> None:
    number = len(site.workspace.submitted)
    if state == "PENDING":
        site.workspace.faults.hold_pending()
    else:
        s3.gate.clear()
    process = pinterest.start(*STEP)
    site.workspace.wait_for_run(number, state)

    process.send_signal(signal.SIGINT)
    printed = "".join(process.communicate(timeout=DEADLINE_SECONDS))

    # The workspace still holds pending runs: only the cancellation went through.
    assert process.returncode == 1, printed
    assert "interrupted" in printed
    assert "Traceback" not in printed
    assert result_of(site.run(number)) == "CANCELED"
    assert site.task_processes() == []
    with instance_of(pinterest) as instance:
        assert not instance.fetch_materializations(PINS, limit=1).records


def test_a_retry_follows_the_run_of_the_killed_process(
    site: Site, s3: S3, pinterest: Pinterest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at_work(site, s3, pinterest) as kill:
        number = kill()
        with run_again(pinterest, monkeypatch, RETRY_NUMBER_TAG) as again:
            s3.gate.set()
            result = again()

    assert result.success
    assert len(site.workspace.submitted) == number + 1
    assert_made_once(site, pinterest)


def test_a_retry_takes_over_the_results_of_a_run_that_ended_meanwhile(
    site: Site, s3: S3, pinterest: Pinterest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at_work(site, s3, pinterest) as kill:
        number = kill()
    assert result_of(site.run(number)) == "SUCCESS"

    with run_again(pinterest, monkeypatch, RETRY_NUMBER_TAG) as again:
        result = again()

    assert result.success
    assert len(site.workspace.submitted) == number + 1
    assert_made_once(site, pinterest)


def test_a_retry_submits_another_run_when_that_of_the_killed_process_failed(
    site: Site, s3: S3, pinterest: Pinterest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at_work(site, s3, pinterest) as kill:
        number = kill()
        site.workspace.faults.kill_tasks()
        assert result_of(site.run(number)) == "FAILED"

    with run_again(pinterest, monkeypatch, RETRY_NUMBER_TAG) as again:
        result = again()

    assert result.success
    assert len(site.workspace.submitted) == number + 2
    assert_made_once(site, pinterest)


def test_a_manual_re_execution_submits_its_own_run(
    site: Site, s3: S3, pinterest: Pinterest, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = len(site.workspace.submitted)
    ran = pinterest(*STEP)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    land(s3, pinterest, pin(3), offset=3)

    with run_again(pinterest, monkeypatch) as again:
        result = again()

    assert result.success
    assert len(site.workspace.submitted) == number + 2
    assert len(site.rows(pinterest, "raw.pin")) == 4


@contextmanager
def run_again(
    pinterest: Pinterest, monkeypatch: pytest.MonkeyPatch, *numbered: str
) -> Iterator[Callable[[], dg.ExecuteInProcessResult]]:
    """Re-execute the only run in this process: as Dagster or, without a number, as a user."""
    for name, value in pinterest.environment.items():
        monkeypatch.setenv(name, value)
    with dagster_instance.instance_of(load()) as instance:
        (killed,) = instance.get_runs()
        tags = {
            PARENT_RUN_ID_TAG: killed.run_id,
            ROOT_RUN_ID_TAG: killed.run_id,
            # A wrong answer must fail at once.
            PROCESS_TAG: f"{socket.gethostname()}:{os.getpid()}",
            **dict.fromkeys(numbered, "1"),
        }

        def again() -> dg.ExecuteInProcessResult:
            return (
                defs()
                .resolve_job_def(JOB)
                .execute_in_process(
                    instance=instance,
                    asset_selection=[PINS],
                    partition_key=TODAY,
                    tags=tags,
                    raise_on_error=False,
                )
            )

        yield again


def assert_made_once(site: Site, pinterest: Pinterest) -> None:
    """The table has the three pins, and Dagster one materialisation."""
    assert len(site.rows(pinterest, "raw.pin")) == 3
    with instance_of(pinterest) as instance:
        (materialized,) = instance.fetch_materializations(PINS, limit=9).records
        assert materialized.asset_materialization
        assert materialized.asset_materialization.metadata["dagster/row_count"].value == 3


def test_a_step_waits_for_late_messages(site: Site, pinterest: Pinterest) -> None:
    site.workspace.faults.delay_messages(LATE_SECONDS)

    ran = pinterest(*STEP)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert_made_once(site, pinterest)


def test_a_run_survives_throttling_and_outages_of_databricks(
    site: Site, s3: S3, pinterest: Pinterest
) -> None:
    number = len(site.workspace.submitted)
    faults = site.workspace.faults
    faults.throttle(3)
    faults.unavailable(2)
    faults.drop(1)
    faults.lose_answer_of_submit()
    s3.gate.clear()
    process = pinterest.start(*STEP)

    site.workspace.wait_for_run(number, "RUNNING")
    faults.throttle(1)
    faults.unavailable(1)
    faults.drop(1)
    s3.gate.set()
    printed = "".join(process.communicate(timeout=DEADLINE_SECONDS))

    assert process.returncode == 0, printed
    assert len(site.workspace.submitted) == number + 1
    assert_made_once(site, pinterest)
