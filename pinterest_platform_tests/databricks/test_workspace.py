"""Runs of the local workspace: the tasks' environment, effects and reported results."""

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from dagster_pipes import decode_param, encode_param
from databricks.sdk.service.compute import ClusterSpec, Library
from databricks.sdk.service.jobs import SparkPythonTask, SubmitTask
from deltalake import DeltaTable

from pinterest_platform_tests.databricks.conftest import (
    VOLUME,
    Site,
    message_of,
    present,
    result_of,
)
from pinterest_platform_tests.databricks.submissions import EXISTING_CLUSTER
from pinterest_platform_tests.databricks.workspace import running_workspace
from pinterest_platform_tests.process_tree import below


def a_new_cluster(**variables: str) -> ClusterSpec:
    return ClusterSpec(
        spark_version="17.3.x-scala2.13",
        node_type_id="m5d.large",
        num_workers=1,
        spark_env_vars=variables,
    )


def summary(printed: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(printed)
    return answer


def test_clusters_and_the_test_share_tables(
    site: Site,
) -> None:
    assert site.run("make_table", "1") == "new [1]\n"
    assert site.run("make_table", "2", serverless=True) == "there [1, 2]\n"
    assert site.run("make_table", "3", new_cluster=a_new_cluster()) == "there [1, 2, 3]\n"
    assert site.run("make_table", "4") == "there [1, 2, 3, 4]\n"

    rows = DeltaTable(site.workspace.tables / "raw" / "pin").to_pyarrow_table().to_pylist()
    assert sorted(row["ind"] for row in rows) == [1, 2, 3, 4]
    assert {tuple(row["names"]) for row in rows} == {("a",)}
    assert site.client.schemas.get("main.raw").name == "raw"


def test_a_schema_needs_an_existing_catalog(site: Site) -> None:
    run, output = site.ended(site.submit("make_schema", "nowhere.raw"))

    assert result_of(run) == "FAILED"
    assert "Catalog 'nowhere' was not found" in present(output.error)


def test_the_cluster_can_import_the_wheel_and_has_the_variables_of_the_task(site: Site) -> None:
    site.workspace.environment["AWS_REGION"] = "eu-west-1"

    assert "['eu-west-1']" in site.run("read_source")
    del site.workspace.environment["AWS_REGION"]


def test_a_failed_task_reports_its_error_and_traceback(site: Site) -> None:
    run, output = site.ended(site.submit("fail", "really"))

    assert result_of(run) == "FAILED"
    assert output.error == "ValueError: no good: really"
    assert "in fail" in present(output.error_trace)
    assert present(run.run_page_url).endswith(f"/run/{run.run_id}")


def test_a_missing_wheel_fails_the_run(site: Site) -> None:
    wheel = Library(whl=f"{VOLUME}/none-1.0-py3-none-any.whl")

    run, _ = site.ended(site.submit("tell", libraries=[wheel]), "INTERNAL_ERROR")

    assert result_of(run) == "FAILED"
    assert "none-1.0-py3-none-any.whl does not exist" in message_of(run)


def test_a_token_creates_one_run_even_after_it_has_ended(site: Site) -> None:
    before = len(site.workspace.submitted)
    run_id = site.submit("tell", token="once")
    site.ended(run_id)

    assert site.submit("tell", token="once") == run_id
    assert site.submit("tell", token="twice") != run_id
    assert len(site.workspace.submitted) == before + 2


def test_a_task_has_only_its_own_variables(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINTEREST_LAKE", "of the test")
    site.workspace.environment["AWS_REGION"] = "eu-west-1"

    found = summary(site.run("tell"))

    del site.workspace.environment["AWS_REGION"]
    assert found["variables"]["AWS_REGION"] == "eu-west-1"
    assert found["variables"]["DATABRICKS_HOST"] == site.workspace.host
    assert "PINTEREST_LAKE" not in found["variables"]
    assert not found["platform"]


def test_a_task_reads_a_secret_and_a_new_cluster_refers_to_one(site: Site) -> None:
    site.workspace.secrets["aws"] = {"key": "hush"}
    cluster = a_new_cluster(AWS_SECRET="{{secrets/aws/key}}")

    read, referred = site.submit("secret", "aws", "key"), site.submit("tell", new_cluster=cluster)

    assert printed(site, read).strip() == "hush"
    assert summary(printed(site, referred))["variables"]["AWS_SECRET"] == "hush"


def test_a_missing_secret_is_an_error(site: Site) -> None:
    cluster = a_new_cluster(AWS_SECRET="{{secrets/aws/none}}")

    run, _ = site.ended(site.submit("tell", new_cluster=cluster), "INTERNAL_ERROR")

    assert "Secret" in message_of(run)


def test_parameters_of_a_task_name_volumes_by_local_paths(site: Site) -> None:
    path = f"{VOLUME}/written.txt"
    packed = encode_param({"path": f"{VOLUME}/messages", "include_stdio_in_messages": True})

    writing = site.submit("write", path, "by the task")
    telling = site.submit("tell", "--dagster-pipes-context", packed, "aWQ=")
    cluster = site.submit("tell", new_cluster=a_new_cluster(DAGSTER_PIPES_CONTEXT=packed))
    site.ended(writing)
    context, given, other = summary(printed(site, telling))["parameters"]
    variables = summary(printed(site, cluster))["variables"]

    assert site.download(path) == b"by the task"
    local = str(site.workspace.volumes / "main" / "ops" / "code" / "messages")
    assert context == "--dagster-pipes-context"
    assert decode_param(given) == {"path": local, "include_stdio_in_messages": True}
    assert variables["DAGSTER_PIPES_CONTEXT"] == given
    assert other == "aWQ="
    (task,) = site.workspace.submitted[-2]["tasks"]
    assert packed in task["python_wheel_task"]["parameters"]


def test_a_python_file_of_a_volume_runs_with_its_parameters(site: Site) -> None:
    file = f"{VOLUME}/script.py"
    site.client.files.upload(file, io.BytesIO(b"import sys; print(sys.argv[1:])"))
    task = SubmitTask(
        task_key="script",
        existing_cluster_id=EXISTING_CLUSTER,
        libraries=[Library(whl=site.wheel)],
        spark_python_task=SparkPythonTask(python_file=file, parameters=["a", "b"]),
    )

    run, output = site.ended(site.client.jobs.submit(tasks=[task]).bind()["run_id"])

    assert result_of(run) == "SUCCESS"
    assert present(output.logs).strip() == "['a', 'b']"


def test_a_task_that_exceeds_its_timeout_is_ended(site: Site) -> None:
    run, _ = site.ended(site.submit("wait", timeout_seconds=1))

    assert result_of(run) == "TIMEDOUT"


def test_all_processes_end_with_the_workspace(tmp_path: Path) -> None:
    with running_workspace(tmp_path) as workspace:
        site = Site(workspace, tmp_path)
        for cluster in (None, a_new_cluster()):
            workspace.wait_for(site.submit("wait", new_cluster=cluster), "RUNNING")
        assert len(of_this(tmp_path)) == 4

    assert of_this(tmp_path) == []


def printed(site: Site, run_id: int) -> str:
    """The output of a run's task, once it has ended."""
    return present(site.ended(run_id)[1].logs)


def of_this(folder: Path) -> list[str]:
    """The processes of a workspace in a folder: tasks and clusters."""
    return [command for command in below(os.getpid()).values() if str(folder) in command]
