"""Validates payloads of ``jobs/runs/submit``, as strictly as possible.

The allowed fields are those of the real SDK. Features that the local workspace does not support are
refused, so that no test passes because the workspace ignores a field.
"""

import re
from collections.abc import Collection
from typing import Any

from databricks.sdk.service import compute, jobs

from pinterest_platform_tests.databricks.api import ApiError, invalid

EXISTING_CLUSTER = "0101-120000-abcdefgh"

_RUN_FIELDS = {"idempotency_token", "run_name", "tasks", "environments", "timeout_seconds"}
_TASK_FIELDS = {
    "task_key",
    "description",
    "existing_cluster_id",
    "new_cluster",
    "environment_key",
    "libraries",
    "python_wheel_task",
    "spark_python_task",
    "timeout_seconds",
}
_COMPUTE = ("existing_cluster_id", "new_cluster", "environment_key")
_WORK = ("python_wheel_task", "spark_python_task")
_SPARK_VERSION = re.compile(r"\d+\.\d+\.x-\S*scala2\.1[23]")

# The API's limit.
_TOKEN_CHARACTERS = 64


def checked(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload.

    Raises:
        ApiError: Databricks would refuse it, or the local workspace cannot run it.
    """
    _only(payload, _RUN_FIELDS, "the run")
    if len(payload.get("idempotency_token", "")) > _TOKEN_CHARACTERS:
        raise invalid(f"The idempotency_token has more than {_TOKEN_CHARACTERS} characters.")
    tasks = payload.get("tasks", [])
    if len(tasks) != 1:
        raise invalid(f"The local workspace runs one task, not {len(tasks)}.")
    environments = {each["environment_key"]: each for each in payload.get("environments", [])}
    for environment in environments.values():
        _check_environment(environment)
    _check_task(tasks[0], environments)
    return payload


def _check_environment(environment: dict[str, Any]) -> None:
    _only(environment, {"environment_key", "spec"}, "an environment")
    spec = environment.get("spec", {})
    _only(spec, {"client", "environment_version", "dependencies"}, "an environment's spec")
    version = spec.get("environment_version") or spec.get("client")
    if not str(version).isdecimal():
        raise invalid(f"Invalid environment_version {version}.")


def _check_task(task: dict[str, Any], environments: Collection[str]) -> None:
    _only(task, _TASK_FIELDS, "the task")
    if not re.fullmatch(r"[\w-]{1,100}", task.get("task_key", "")):
        raise invalid("A task needs a task_key of letters, digits, - and _.")
    key = _one(task, _COMPUTE)
    if key == "existing_cluster_id" and task[key] != EXISTING_CLUSTER:
        raise invalid(f"Cluster {task[key]} does not exist.")
    if key == "new_cluster":
        _check_cluster(task[key])
    if key == "environment_key":
        if task[key] not in environments:
            raise invalid(f"The environment_key {task[key]} is not in environments.")
        if task.get("libraries"):
            raise invalid("Libraries field is not supported for serverless task.")
    for library in task.get("libraries", []):
        _only(library, {"whl", "pypi"}, "a library")
    work = _one(task, _WORK)
    if work == "python_wheel_task":
        _only(task[work], _fields(jobs.PythonWheelTask) - {"named_parameters"}, work)
        if not task[work].get("package_name") or not task[work].get("entry_point"):
            raise invalid("A python_wheel_task needs package_name and entry_point.")
    else:
        _only(task[work], {"python_file", "parameters"}, work)
    parameters = task[work].get("parameters", [])
    if not all(isinstance(parameter, str) for parameter in parameters):
        raise invalid("Parameters are strings.")


def _check_cluster(cluster: dict[str, Any]) -> None:
    _only(cluster, _fields(compute.ClusterSpec), "new_cluster")
    if not _SPARK_VERSION.fullmatch(cluster.get("spark_version", "")):
        raise invalid(f"Invalid spark version {cluster.get('spark_version')}.")
    if not cluster.get("node_type_id"):
        raise invalid("A new_cluster needs a node_type_id.")
    if not isinstance(cluster.get("num_workers"), int):
        raise invalid("A new_cluster needs num_workers.")


def _one(task: dict[str, Any], fields: tuple[str, ...]) -> str:
    given = [name for name in fields if task.get(name)]
    if len(given) != 1:
        raise invalid(f"A task needs exactly one of {', '.join(fields)}; this has {given}.")
    return given[0]


def _only(given: dict[str, Any], fields: Collection[str], where: str) -> None:
    if more := sorted(set(given) - set(fields)):
        raise ApiError(400, "MALFORMED_REQUEST", f"Unrecognized fields of {where}: {more}")


def _fields(kind: type) -> set[str]:
    return set(kind.__dataclass_fields__)  # type: ignore[attr-defined]
