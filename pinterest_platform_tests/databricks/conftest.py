"""Shared by the tests of the local workspace: workspaces, a client, and a wheel of tasks."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.catalog import VolumeType
from databricks.sdk.service.compute import ClusterSpec, Environment, Library
from databricks.sdk.service.jobs import (
    JobEnvironment,
    PythonWheelTask,
    Run,
    RunOutput,
    SubmitTask,
)

from pinterest_platform_tests.databricks.submissions import EXISTING_CLUSTER
from pinterest_platform_tests.databricks.wheels import NAME, write_wheel
from pinterest_platform_tests.databricks.workspace import Workspace, running_workspace

VOLUME = "/Volumes/main/ops/code"
T = TypeVar("T")

_TASKS = Path(__file__).parent / "small_tasks.py"


class Site:
    """A workspace with a client, a volume, and the wheel of ``small_tasks`` in it."""

    def __init__(self, workspace: Workspace, folder: Path) -> None:
        self.workspace = workspace
        self.client = WorkspaceClient(host=workspace.host, token=workspace.token)
        self.client.schemas.create("ops", "main")
        self.client.volumes.create("main", "ops", "code", VolumeType.MANAGED)
        wheel = write_wheel(folder / "wheels", _TASKS.read_text())
        self.wheel = f"{VOLUME}/{wheel.name}"
        self.client.files.upload(self.wheel, io.BytesIO(wheel.read_bytes()))

    def submit(
        self,
        function: str,
        *parameters: str,
        token: str | None = None,
        new_cluster: ClusterSpec | None = None,
        serverless: bool = False,
        libraries: list[Library] | None = None,
        timeout_seconds: int | None = None,
    ) -> int:
        """Submit a function of ``small_tasks``; returns the id of its run."""
        work = PythonWheelTask(package_name=NAME, entry_point=function, parameters=list(parameters))
        task = SubmitTask(task_key="task", python_wheel_task=work, timeout_seconds=timeout_seconds)
        more: dict[str, Any] = {}
        if serverless:
            task.environment_key = "default"
            spec = Environment(environment_version="4", dependencies=[self.wheel])
            more["environments"] = [JobEnvironment("default", spec)]
        else:
            task.libraries = libraries or [Library(whl=self.wheel)]
            task.new_cluster = new_cluster
            task.existing_cluster_id = None if new_cluster else EXISTING_CLUSTER
        waiter = self.client.jobs.submit(tasks=[task], idempotency_token=token, **more)
        return int(waiter.bind()["run_id"])

    def ended(self, run_id: int, life_cycle: str = "TERMINATED") -> tuple[Run, RunOutput]:
        """A run with its output, once it has ended."""
        self.workspace.wait_for(run_id, life_cycle)
        run = self.client.jobs.get_run(run_id)
        return run, self.client.jobs.get_run_output(present(present(run.tasks)[0].run_id))

    def run(self, function: str, *parameters: str, **how: Any) -> str:
        """Run a function of ``small_tasks``, which must succeed; returns its output."""
        run, output = self.ended(self.submit(function, *parameters, **how))
        assert result_of(run) == "SUCCESS", f"{message_of(run)}\n{output.logs}"
        return present(output.logs)

    def download(self, path: str) -> bytes:
        """The content of a file in a volume."""
        return present(self.client.files.download(path).contents).read()

    def cluster_state(self) -> str:
        """The state of the workspace's cluster."""
        return present(self.client.clusters.get(EXISTING_CLUSTER).state).value


def result_of(run: Run) -> str:
    """How a run ended."""
    return str(present(present(run.state).result_state).value)


def message_of(run: Run) -> str:
    """The message of a run's state."""
    return str(present(present(run.state).state_message))


def present(value: T | None) -> T:
    """A field that every answer here has, though the SDK's types make it optional."""
    assert value is not None, "the workspace's answer lacks a field"
    return value


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A workspace shared by the tests that do not break it."""
    folder = tmp_path_factory.mktemp("workspace")
    with running_workspace(folder) as workspace:
        yield Site(workspace, folder)


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[Site]:
    """A workspace for a test that breaks it."""
    with running_workspace(tmp_path) as workspace:
        yield Site(workspace, tmp_path)
