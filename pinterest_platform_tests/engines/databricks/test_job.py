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
from pinterest_platform_tests.test_pipeline import outputs

POSTS = 300
# So many arrive as landing objects; the others in the streams.
LANDED = 200

# So many records of pins are none: more than one in twenty, of which a check warns.
BROKEN = 80

WARNED = ("few_quarantined", False)

# What differs from run to run and from engine to engine.
OF_THE_RUN = {"seconds", "dagster/uri"}


@dataclass
class Job:
    """A job that ran twice on Databricks and once, over the same posts, on this machine."""

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
        # By the clock of that AWS.
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


def test_the_job_on_serverless_makes_the_expected_outputs_row_for_row(job: Job) -> None:
    expected = expected_outputs(job.here.home / "source.db", range(POSTS))
    assert list(job.first) == [table.name for table in OUTPUTS]
    for name, rows in expected.items():
        assert rows, name
        assert job.first[name] == sorted(rows, key=lambda row: list(row.values())), name


def test_the_job_run_again_makes_the_same_rows(job: Job) -> None:
    assert job.second == job.first


def test_each_step_is_one_run_on_databricks_that_says_whose_it_is(job: Job) -> None:
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


def test_nothing_is_left_in_the_volume_of_runs_that_succeeded(job: Job) -> None:
    folder = job.site.workspace.volumes / "main" / "platform" / "files"
    assert [path.suffix for path in folder.rglob("*") if path.is_file()] == [".whl"]


@pytest.mark.parametrize("table", TABLES)
def test_the_events_are_those_of_a_run_on_this_machine(job: Job, table: str) -> None:
    there, here = told(job.there)[table], told(job.here)[table]
    assert here
    assert there == here


def test_the_events_that_are_compared_have_a_failed_check_with_samples(job: Job) -> None:
    warnings = [said for said in told(job.here)["cleaned.quarantine"] if said[:2] == WARNED]
    assert [set(said[-1]) >= {"samples", "quarantined_rows"} for said in warnings] == [True]


def told(pinterest: Pinterest) -> dict[str, list[Any]]:
    """What the first run said of each table, but for what differs from run to run."""
    said: dict[str, list[Any]] = {table: [] for table in TABLES}
    with instance_of(pinterest) as instance:
        run = list(instance.get_runs())[-1]
        for entry in instance.all_logs(run.run_id):
            event = entry.dagster_event
            if event is None:
                continue
            if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
                made = event.step_materialization_data.materialization
                said[".".join(made.asset_key.path)].append(
                    (made.partition, made.description, set(made.tags or ()), lasting(made.metadata))
                )
            elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                check = event.asset_check_evaluation_data
                said[".".join(check.asset_key.path)].append(
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
    return said


def lasting(metadata: Any) -> dict[str, Any]:
    """The metadata without what differs from run to run."""
    kept = {name: value for name, value in metadata.items() if name not in OF_THE_RUN}
    for shown in {"preview", "samples"} & set(kept):
        kept[shown] = without_column(kept[shown], "ingested_at")
    return kept


def without_column(table: dg.TableMetadataValue, column: str) -> list[dict[str, Any]]:
    """The rows of a table, but for a column."""
    return [
        {name: value for name, value in record.data.items() if name != column}
        for record in table.records
    ]


def test_the_task_by_itself_makes_all_tables_and_prints_a_line_for_each(job: Job) -> None:
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
    assert [words[1].rstrip(":") for words in lines if words[0] == "made"] == list(TABLES)
    assert ["raw.pin", "passed"] in [words[:2] for words in lines]
    alone = {
        name: DeltaTable(job.site.workspace.tables / "alone_analytics" / name)
        .to_pyarrow_table()
        .to_pylist()
        for name in job.first
    }
    assert alone == job.first


def test_the_task_by_itself_fails_when_a_check_of_severity_error_does(job: Job) -> None:
    key = f"broken/{LandingKey('other.pin', 0, 0)}"
    record = as_json({"index": 1}) + b"\n"
    client("s3", job.endpoint).put_object(Bucket="posts", Key=key, Body=record)
    asked = (
        "--from",
        job.day,
        "PINTEREST_LANDING=s3://posts/broken",
        "PINTEREST_ID=other",
    )
    run, _ = by_itself(job, *asked, prefix="b_")
    assert result_of(run) == "SUCCESS"
    double_a_row(job.site.workspace.tables / "b_raw" / "pin")

    run, output = by_itself(job, *asked, prefix="b_")

    assert result_of(run) == "FAILED"
    assert "raw.pin failed unique_key" in str(output.logs)
    assert "a check of severity error failed" in str(output.error)


def by_itself(job: Job, *parameters: str, prefix: str) -> tuple[Run, RunOutput]:
    """Let Databricks start the task, as a schedule there does; the run and what it said."""
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
