"""Runs tasks: a process each, in the environment of its libraries, beside a cluster."""

import json
import os
import signal
import subprocess
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster_pipes import decode_param, encode_param

from pinterest_platform_tests.databricks.api import ApiError
from pinterest_platform_tests.databricks.clusters import ClusterError, Clusters
from pinterest_platform_tests.databricks.environments import Environments, LibraryError
from pinterest_platform_tests.databricks.secret_scopes import SecretScopes

_RUN_TASK = Path(__file__).parent / "on_cluster" / "run_task.py"

# The variables that a task inherits: no settings, no credentials, no Python path.
_KEPT = ("PATH", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


@dataclass(frozen=True)
class Ended:
    """How a task ended: the state of its run, and the answer of get-output."""

    life_cycle: str
    result: str
    message: str = ""
    error: str = ""
    trace: str = ""
    logs: str = ""


class Task:
    """One task of one run; ``folder`` is for its files."""

    def __init__(self, payload: dict[str, Any], folder: Path) -> None:
        (self.payload,) = payload["tasks"]
        self.environments = {
            each["environment_key"]: each for each in payload.get("environments", [])
        }
        self.seconds = self.payload.get("timeout_seconds") or payload.get("timeout_seconds") or None
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._stopped = False

    @property
    def on_existing_cluster(self) -> bool:
        """Whether it runs on the existing cluster."""
        return "existing_cluster_id" in self.payload

    @property
    def new_cluster(self) -> dict[str, Any] | None:
        """The specification of its own cluster, if any."""
        cluster: dict[str, Any] | None = self.payload.get("new_cluster")
        return cluster

    @property
    def libraries(self) -> list[str]:
        """Its wheels and requirements."""
        if "environment_key" in self.payload:
            spec = self.environments[self.payload["environment_key"]].get("spec", {})
            return list(spec.get("dependencies", []))
        named = self.payload.get("libraries", [])
        return [each["whl"] if "whl" in each else each["pypi"]["package"] for each in named]

    def start(self, command: list[str], environment: dict[str, str]) -> None:
        """Start its process, unless it was stopped."""
        with self._lock, (self.folder / "output").open("wb") as output:
            if self._stopped:
                return
            self.process = subprocess.Popen(
                command,
                env=environment,
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Kill its process, or prevent its start."""
        with self._lock:
            self._stopped = True
            self.kill()

    def kill(self) -> None:
        """Kill its process and the children, if it runs."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)


class TaskRunner:
    """Runs tasks with ``variables``, which tests set."""

    def __init__(
        self,
        volumes: Path,
        managed: Path,
        environments: Environments,
        clusters: Clusters,
        secrets: SecretScopes,
    ) -> None:
        self.variables: dict[str, str] = {}
        self.access: dict[str, str] = {}
        self._volumes = volumes
        self._managed = managed
        self._environments = environments
        self._clusters = clusters
        self._secrets = secrets

    def run(self, task: Task, started: Callable[[], None]) -> Ended:
        """Run a task to its end; calls ``started`` once its process has started."""
        try:
            python = self._environments.python([self._local(name) for name in task.libraries])
            variables = self._variables(task)
            own = task.new_cluster is not None
            with self._clusters.of_task(python, variables, own=own) as url:
                order = self._order(task)
                command = [str(python), "-P", str(_RUN_TASK), str(order)]
                task.start(command, variables | self.access | {"SPARK_REMOTE": url})
                started()
                return _end_of(task)
        except LibraryError as error:
            return _broken(f"Library installation failed: {error}")
        except (ClusterError, ApiError) as error:
            return _broken(str(error))
        except Exception as error:
            # A bug in this workspace must end the run, not hang it.
            return _broken(f"The local workspace failed: {error!r}")

    def _variables(self, task: Task) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        of_cluster = (task.new_cluster or {}).get("spark_env_vars", {})
        fixed = {"HOME": str(self._managed.parent), "DATABRICKS_RUNTIME_VERSION": "17.3"}
        given = self._secrets.of_environment(of_cluster)
        mapped = {name: self._parameter(value) for name, value in given.items()}
        return kept | fixed | self.variables | mapped

    def _order(self, task: Task) -> Path:
        work = dict(task.payload.get("python_wheel_task") or task.payload["spark_python_task"])
        if "python_file" in work:
            work["python_file"] = self._local(work["python_file"])
        work["parameters"] = [self._parameter(each) for each in work.get("parameters", [])]
        work["managed"] = str(self._managed)
        work["failure"] = str(task.folder / "failure.json")
        order = task.folder / "order.json"
        order.write_text(json.dumps(work))
        return order

    def _parameter(self, parameter: str) -> str:
        """A parameter with local paths; Pipes' parameters are decoded and encoded again."""
        try:
            unpacked = decode_param(parameter)
        except (ValueError, zlib.error):
            return self._local(parameter)
        return encode_param(self._local_in(unpacked)) if isinstance(unpacked, dict) else parameter

    def _local_in(self, value: Any) -> Any:
        match value:
            case dict():
                return {name: self._local_in(inner) for name, inner in value.items()}
            case str():
                return self._local(value)
            case _:
                return value

    def _local(self, path: str) -> str:
        if not path.startswith("/Volumes/"):
            return path
        return str(self._volumes / path.removeprefix("/Volumes/"))


def _end_of(task: Task) -> Ended:
    """Wait for a task's process."""
    if task.process is None:
        return Ended("TERMINATED", "CANCELED", "Run cancelled.")
    timed_out = False
    try:
        code = task.process.wait(task.seconds)
    except subprocess.TimeoutExpired:
        timed_out = True
        task.stop()
        code = task.process.wait()
    assert task.process.stdin is not None
    task.process.stdin.close()
    logs = (task.folder / "output").read_text(errors="replace")
    if timed_out:
        return Ended("TERMINATED", "TIMEDOUT", "Run timed out.", logs=logs)
    if code == 0:
        return Ended("TERMINATED", "SUCCESS", logs=logs)
    failure = task.folder / "failure.json"
    printed = json.loads(failure.read_text()) if failure.exists() else {}
    error = printed.get("error") or f"The Python process exited with exit code {_shell_code(code)}."
    message = "Workload failed, see run output for details"
    return Ended("TERMINATED", "FAILED", message, error, printed.get("error_trace", ""), logs)


def _shell_code(code: int) -> str:
    return str(code) if code >= 0 else f"{128 - code} ({signal.Signals(-code).name})"


def _broken(message: str) -> Ended:
    return Ended("INTERNAL_ERROR", "FAILED", message, message)
