"""The whole job on Databricks: the same rows and the same events as on this machine."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest
from databricks.sdk.service.compute import Environment
from databricks.sdk.service.jobs import (
    JobEnvironment,
    PythonWheelTask,
    Run,
    RunOutput,
    SubmitTask,
)
from deltalake import DeltaTable

from pinterest_platform.engines.databricks.wheel import ENTRY_POINT, PACKAGE
from pinterest_platform.ingest.landing.layout import LandingKey
from pinterest_platform.tables.catalog import OUTPUTS, TABLES
from pinterest_platform_tests.databricks.conftest import result_of
from pinterest_platform_tests.engines.databricks.site import (
    Site,
    instance_of,
    running_site,
)
from pinterest_platform_tests.lake.tampering import double_a_row
from pinterest_platform_tests.landing import as_json
from pinterest_platform_tests.local_aws import CREDENTIALS, client, running_moto
from pinterest_platform_tests.oracle import TABLES as SOURCES
from pinterest_platform_tests.oracle import expected_outputs, source_rows
from pinterest_platform_tests.process import Pinterest
from pinterest_platform_tests.rows import VOLATILE
from pinterest_platform_tests.test_pipeline import outputs

POSTS = 300
# The number of posts in landing objects; the others are in the streams.
LANDED = 200

# The number of invalid pin records: more than one in twenty, so that a check warns.
BROKEN = 80

WARNED = ("few_quarantined", False)

# Metadata that differs between runs and engines.
OF_THE_RUN = {"seconds", "dagster/uri"}


@dataclass
class Job:
    """A job that ran twice on Databricks, and once on this machine, over the same posts."""

    site: Site
    endpoint: str
    day: str
    there: Pinterest
    here: Pinterest
    first: dict[str, list[dict[str, Any]]]
    second: dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    folder = tmp_path_factory.mktemp("job")
    with running_moto() as endpoint:
        aws = CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint}
        landing = {"PINTEREST_LANDING": "s3://posts/arrived"}
        here = Pinterest(folder / "here", **aws, **landing)
        assert here("seed-db", "--rows", str(POSTS)).returncode == 0
        send(source_rows(here.home / "source.db"), endpoint)
        # By that AWS's clock.
        day = datetime.now(UTC).date().isoformat()
        ran(here("run", "--day", day))
        with running_site(folder, aws) as site:
            there = site.pinterest(**aws, **landing, PINTEREST_DATABRICKS_SCHEMA_PREFIX="")
            found = []
            for _ in range(2):
                ran(there("run", "--day", day))
                found.append(outputs(str(site.workspace.tables)))
            assert site.workspace.unknown == []
            yield Job(site, endpoint, day, there, here, *found)


def send(rows: dict[str, list[dict[str, Any]]], endpoint: str) -> None:
    """Land the first posts, and put the others into streams."""
    s3, kinesis = client("s3", endpoint), client("kinesis", endpoint)
    s3.create_bucket(Bucket="posts")
    for kind, source in zip(("pin", "geo", "user"), SOURCES, strict=True):
        records = [as_json(row) for row in rows[source]]
        broken = [b"not json"] * BROKEN if kind == "pin" else []
        body = b"".join(record + b"\n" for record in records[:LANDED] + broken)
        key = f"arrived/{LandingKey(f'pinterest.{kind}', 0, 0)}"
        s3.put_object(Bucket="posts", Key=key, Body=body)
        stream = f"streaming-pinterest-{kind}"
        kinesis.create_stream(StreamName=stream, ShardCount=2)
        kinesis.put_records(
            StreamName=stream,
            Records=[
                {"Data": record, "PartitionKey": str(number)}
                for number, record in enumerate(records[LANDED:])
            ],
        )


def ran(ended: Any) -> None:
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_job_on_serverless_gives_the_expected_outputs_row_for_row(job: Job) -> None:
    expected = expected_outputs(job.here.home / "source.db", range(POSTS))
    assert list(job.first) == [table.name for table in OUTPUTS]
    for name, rows in expected.items():
        assert rows, name
        assert job.first[name] == sorted(rows, key=lambda row: list(row.values())), name


def test_a_second_run_of_the_job_gives_the_same_rows(job: Job) -> None:
    assert job.second == job.first


def test_each_step_is_one_run_on_databricks_with_the_dagster_run_in_its_name(job: Job) -> None:
    with instance_of(job.there) as instance:
        runs = [run.run_id for run in instance.get_runs()]
    names = [submitted["run_name"] for submitted in job.site.workspace.submitted]
    assert len(names) == 8
    for run in runs:
        steps = [name for name in names if run in name]
        assert len(set(steps)) == 4, names


def test_the_wheel_is_uploaded_once_for_all_steps_and_runs(job: Job) -> None:
    uploaded = [
        path
        for method, path in job.site.workspace.requests
        if method == "PUT" and "/wheels/" in path
    ]
    assert len(uploaded) == len(set(uploaded))
    wheels = {
        submitted["environments"][0]["spec"]["dependencies"][0]
        for submitted in job.site.workspace.submitted
    }
    assert {path.removeprefix("/api/2.0/fs/files") for path in uploaded} == wheels
    assert len(wheels) == 1


def test_successful_runs_leave_nothing_in_the_volume(job: Job) -> None:
    folder = job.site.workspace.volumes / "main" / "platform" / "files"
    assert [path.suffix for path in folder.rglob("*") if path.is_file()] == [".whl"]


@pytest.mark.parametrize("table", TABLES)
def test_the_events_are_those_of_a_run_on_this_machine(job: Job, table: str) -> None:
    there, here = events_by_table(job.there)[table], events_by_table(job.here)[table]
    assert here
    assert there == here


def test_the_compared_events_include_a_failed_check_with_samples(job: Job) -> None:
    warnings = [
        event for event in events_by_table(job.here)["cleaned.quarantine"] if event[:2] == WARNED
    ]
    assert [set(event[-1]) >= {"samples", "quarantined_rows"} for event in warnings] == [True]


def events_by_table(pinterest: Pinterest) -> dict[str, list[Any]]:
    """The first run's events for each table, without values that differ between runs."""
    events: dict[str, list[Any]] = {table: [] for table in TABLES}
    with instance_of(pinterest) as instance:
        run = list(instance.get_runs())[-1]
        for entry in instance.all_logs(run.run_id):
            event = entry.dagster_event
            if event is None:
                continue
            if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
                materialized = event.step_materialization_data.materialization
                events[".".join(materialized.asset_key.path)].append(
                    (
                        materialized.partition,
                        materialized.description,
                        set(materialized.tags or ()),
                        lasting(materialized.metadata),
                    )
                )
            elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                check = event.asset_check_evaluation_data
                events[".".join(check.asset_key.path)].append(
                    (
                        check.check_name,
                        check.passed,
                        check.severity,
                        check.blocking,
                        check.partition,
                        check.description,
                        lasting(check.metadata),
                    )
                )
    return events


def lasting(metadata: Any) -> dict[str, Any]:
    """The metadata without values that differ between runs."""
    kept = {name: value for name, value in metadata.items() if name not in OF_THE_RUN}
    for table in {"preview", "samples"} & set(kept):
        kept[table] = without_times(kept[table])
    return kept


def without_times(table: dg.TableMetadataValue) -> list[dict[str, Any]]:
    """The rows of a table, without columns that differ between runs."""
    return [
        {name: value for name, value in record.data.items() if name not in VOLATILE}
        for record in table.records
    ]


def test_the_task_without_dagster_builds_all_tables_and_prints_a_line_for_each(job: Job) -> None:
    run, output = by_itself(
        job,
        "--from",
        job.day,
        "--to",
        job.day,
        "PINTEREST_LANDING=s3://posts/arrived",
        prefix="alone_",
    )

    assert result_of(run) == "SUCCESS", output.logs
    lines = [line.split() for line in str(output.logs).splitlines()]
    made = [words[1].rstrip(":") for words in lines if words[0] == "made"]
    assert sorted(made) == sorted(TABLES)
    for name in made:
        assert set(TABLES[name].inputs) <= set(made[: made.index(name)])
    assert ["raw.pin", "passed"] in [words[:2] for words in lines]
    alone = {
        name: DeltaTable(job.site.workspace.tables / "alone_analytics" / name)
        .to_pyarrow_table()
        .to_pylist()
        for name in job.first
    }
    assert alone == job.first


def test_the_task_without_dagster_fails_when_an_error_check_does(job: Job) -> None:
    key = f"broken/{LandingKey('other.pin', 0, 0)}"
    record = as_json({"index": 1}) + b"\n"
    client("s3", job.endpoint).put_object(Bucket="posts", Key=key, Body=record)
    arguments = (
        "--from",
        job.day,
        "PINTEREST_LANDING=s3://posts/broken",
        "PINTEREST_ID=other",
    )
    run, _ = by_itself(job, *arguments, prefix="b_")
    assert result_of(run) == "SUCCESS"
    double_a_row(job.site.workspace.tables / "b_raw" / "pin")

    run, output = by_itself(job, *arguments, prefix="b_")

    assert result_of(run) == "FAILED"
    assert "raw.pin failed unique_key" in str(output.logs)
    assert "a check of severity error failed" in str(output.error)


def by_itself(job: Job, *parameters: str, prefix: str) -> tuple[Run, RunOutput]:
    """Submit the task as Databricks' own schedule does; returns the run and its output."""
    number = len(job.site.workspace.submitted)
    given = [*parameters, f"PINTEREST_DATABRICKS_SCHEMA_PREFIX={prefix}"]
    wheels = job.site.workspace.submitted[0]["environments"][0]["spec"]["dependencies"]
    work = PythonWheelTask(PACKAGE, ENTRY_POINT, parameters=given)
    job.site.client.jobs.submit(
        tasks=[SubmitTask("alone", environment_key="alone", python_wheel_task=work)],
        environments=[
            JobEnvironment("alone", Environment(environment_version="4", dependencies=wheels))
        ],
    )
    run = job.site.run(number)
    assert run.tasks
    return run, job.site.client.jobs.get_run_output(run.tasks[0].run_id or 0)
