"""Failures on Databricks: one line with the reason and the run's page, without a secret."""

import io
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from pinterest_platform.engines.databricks.volume import Volume
from pinterest_platform.engines.databricks.wheel import task_wheel
from pinterest_platform_tests.databricks.submissions import EXISTING_CLUSTER
from pinterest_platform_tests.databricks.workspace import DEADLINE_SECONDS
from pinterest_platform_tests.engines.databricks.site import (
    NOW,
    TODAY,
    Site,
    instance_of,
    land,
    running_site,
)
from pinterest_platform_tests.lake.tampering import double_a_row
from pinterest_platform_tests.landing import pin
from pinterest_platform_tests.process import Pinterest
from pinterest_platform_tests.s3_lists import S3

STEP = ("run", "--day", TODAY, "--select", "raw/pin")


@pytest.fixture
def pinterest(site: Site, s3: S3) -> Pinterest:
    """A pin has landed."""
    pinterest = site.pinterest(**s3.environment)
    land(s3, pinterest, pin(1))
    return pinterest


def error_of(ended: "subprocess.CompletedProcess[str]", *secrets: str) -> str:
    """The one line that a failed command prints."""
    printed = ended.stdout + ended.stderr
    assert ended.returncode == 1, printed
    assert "Traceback" not in printed
    assert not [secret for secret in secrets if secret in printed]
    (line,) = ended.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


def url_of(site: Site, number: int, life_cycle: str = "TERMINATED") -> str:
    """The page of a run on Databricks."""
    return str(site.run(number, life_cycle).run_page_url)


def failure_of(pinterest: Pinterest) -> dg.Failure:
    """The step failure of the newest run, as Dagster stores it."""
    with instance_of(pinterest) as instance:
        (run, *_) = instance.get_runs()
        assert run.status == dg.DagsterRunStatus.FAILURE
        events = [entry.dagster_event for entry in instance.all_logs(run.run_id)]
    (failure,) = [
        event.step_failure_data.user_failure_data
        for event in events
        if event and event.event_type == dg.DagsterEventType.STEP_FAILURE
    ]
    assert failure
    return dg.Failure(failure.description, failure.metadata)


def test_an_error_of_the_task_is_reported_with_its_message_page_and_traceback(
    site: Site, s3: S3, pinterest: Pinterest
) -> None:
    land(s3, pinterest, pin(0), arrived_at=NOW - timedelta(days=1), offset=1)
    number = len(site.workspace.submitted)

    ended = pinterest(*STEP, PINTEREST_START_DATE=TODAY)

    url = url_of(site, number)
    line = error_of(ended, site.workspace.token)
    assert "set PINTEREST_START_DATE" in line
    assert "PlatformError" not in line
    assert line.endswith(f"(on Databricks: {url})")
    failure = failure_of(pinterest)
    assert f"Error: {failure.description}" == line
    assert failure.metadata["remote_run"].value == url
    traceback = str(failure.metadata["remote_traceback"].value)
    assert "reject_undated" in traceback
    assert "ConfigurationError: " in traceback


def test_a_killed_task_fails_the_run_with_its_page(
    site: Site, s3: S3, pinterest: Pinterest
) -> None:
    number = len(site.workspace.submitted)
    s3.gate.clear()
    process = pinterest.start(*STEP)
    site.workspace.wait_for_run(number, "RUNNING")

    site.workspace.faults.kill_tasks()
    output, errors = process.communicate(timeout=DEADLINE_SECONDS)
    s3.gate.set()

    ended = subprocess.CompletedProcess(STEP, process.returncode, output, errors)
    assert "SIGKILL" in error_of(ended)
    assert url_of(site, number) in errors


def test_a_failed_check_fails_the_run_and_keeps_earlier_results(
    site: Site, pinterest: Pinterest
) -> None:
    assert pinterest(*STEP).returncode == 0
    double_a_row(Path(site.table(pinterest, "raw.pin").table_uri))

    ended = pinterest("run", "--day", TODAY, "--select", "raw/pin,cleaned/pins")

    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "raw.pin failed unique_key" in ended.stderr
    assert "on Databricks" not in ended.stderr
    assert len(site.rows(pinterest, "raw.pin")) == 2
    with instance_of(pinterest) as instance:
        materialized = instance.get_latest_materialization_event(dg.AssetKey(["raw", "pin"]))
        below = dg.AssetKey(["cleaned", "pins"])
        assert materialized is not None
        assert instance.get_latest_materialization_event(below) is None
        checked = {
            evaluation.check_name: evaluation.passed
            for entry in instance.all_logs(materialized.run_id)
            if entry.dagster_event
            and entry.dagster_event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
            for evaluation in [entry.dagster_event.asset_check_evaluation_data]
        }
    assert not checked.pop("unique_key")
    assert checked
    assert all(checked.values())


def test_a_wheel_that_cannot_be_installed_is_reported(site: Site, pinterest: Pinterest) -> None:
    schema = f"{pinterest.environment['PINTEREST_DATABRICKS_SCHEMA_PREFIX']}platform"
    volume = f"/Volumes/main/{schema}/files"
    Volume(site.client, volume).make()
    site.client.files.upload(f"{volume}/wheels/{task_wheel().name}", io.BytesIO(b"cut off"))
    number = len(site.workspace.submitted)

    line = error_of(pinterest(*STEP))

    assert "Library installation failed" in line
    assert url_of(site, number, "INTERNAL_ERROR") in line


def test_a_terminated_cluster_is_reported(tmp_path: Path, s3: S3) -> None:
    with running_site(tmp_path, s3.environment) as site:
        site.workspace.faults.terminate_cluster()
        pinterest = site.pinterest(
            PINTEREST_DATABRICKS_COMPUTE="existing_cluster",
            PINTEREST_DATABRICKS_CLUSTER_ID=EXISTING_CLUSTER,
        )

        line = error_of(pinterest(*STEP))

        assert "unexpected state Terminated" in line
        assert url_of(site, 0, "INTERNAL_ERROR") in line


def test_a_missing_catalog_is_named(site: Site, pinterest: Pinterest) -> None:
    number = len(site.workspace.submitted)

    line = error_of(
        pinterest(
            *STEP,
            PINTEREST_DATABRICKS_CATALOG="nowhere",
            PINTEREST_DATABRICKS_VOLUME="/Volumes/main/platform/files",
        )
    )

    assert "Catalog 'nowhere' was not found" in line
    assert "set PINTEREST_DATABRICKS_CATALOG" in line
    assert url_of(site, number) in line


@pytest.mark.parametrize(
    ("settings", "printed"),
    [
        ({"PINTEREST_DATABRICKS_CATALOG": "nowhere"}, ["nowhere", "PINTEREST_DATABRICKS_CATALOG"]),
        ({"DATABRICKS_TOKEN": "dapi-wrong-one"}, ["Invalid access token", "credentials"]),
        ({"DATABRICKS_HOST": ""}, ["check DATABRICKS_HOST"]),
        ({"DATABRICKS_TOKEN": ""}, ["credentials"]),
        ({"PINTEREST_LANDING": "landing"}, ["set PINTEREST_LANDING to s3://"]),
        ({"PINTEREST_DATABRICKS_VOLUME": "/Volumes/main"}, ["PINTEREST_DATABRICKS_VOLUME"]),
        ({"PINTEREST_DATABRICKS_SCHEMA_PREFIX": "a b"}, ["PINTEREST_DATABRICKS_SCHEMA_PREFIX"]),
        ({"PINTEREST_DATABRICKS_COMPUTE": "abacus"}, ["PINTEREST_DATABRICKS_COMPUTE"]),
        (
            {
                "PINTEREST_DATABRICKS_COMPUTE": "existing_cluster",
                "PINTEREST_DATABRICKS_CLUSTER_ID": "0101-120000-nothing",
            },
            ["0101-120000-nothing does not exist"],
        ),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_a_wrong_setting_is_one_line_and_creates_no_run(
    site: Site, pinterest: Pinterest, settings: dict[str, str], printed: list[str]
) -> None:
    number = len(site.workspace.submitted)

    line = error_of(pinterest(*STEP, **settings), "dapi-wrong-one", site.workspace.token)

    assert not [words for words in printed if words not in line], line
    assert len(site.workspace.submitted) == number


@pytest.fixture(autouse=True)
def _repaired(s3: S3) -> Iterator[None]:
    """End the faults of each test."""
    yield
    s3.gate.set()
