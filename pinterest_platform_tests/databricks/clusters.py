"""Clusters: processes that serve Spark, their catalogs, and the Clusters API."""

import json
import os
import signal
import subprocess
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pinterest_platform_tests.databricks.api import Answer, Request, Route, invalid
from pinterest_platform_tests.databricks.faults import Faults
from pinterest_platform_tests.databricks.submissions import EXISTING_CLUSTER

_SERVE = Path(__file__).parent / "on_cluster" / "serve.py"


class ClusterError(Exception):
    """A cluster did not start, or ended."""


class Cluster:
    """A process that serves Spark, with the catalog of one session."""

    def __init__(self, python: Path, environment: dict[str, str], managed: Path, log: Path) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [str(python), "-P", str(_SERVE), str(uuid.uuid4()), str(managed)],
                env=environment,
                cwd=log.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        self._log = log
        self._lock = threading.Lock()
        try:
            self.url: str = self._line()["url"]
        except ClusterError:
            self.stop()
            raise

    @property
    def runs(self) -> bool:
        """Whether the process is alive."""
        return self._process.poll() is None

    def ask(self, question: dict[str, Any]) -> dict[str, str]:
        """The columns of the tables in its catalog, as JSON.

        Raises:
            ClusterError: it ended, or cannot read a table.
        """
        with self._lock:
            assert self._process.stdin is not None
            try:
                self._process.stdin.write(json.dumps(question) + "\n")
                self._process.stdin.flush()
            except OSError as error:
                raise ClusterError(f"The cluster has ended: {error}") from None
            answer = self._line()
        if "error" in answer:
            raise ClusterError(answer["error"])
        columns: dict[str, str] = answer["columns"]
        return columns

    def stop(self) -> None:
        """End it."""
        if self.runs:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ClusterError(f"The cluster has ended: {self._log.read_text()[-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


class Clusters:
    """The clusters of a workspace, and the tables' columns that one cluster passes to the next."""

    def __init__(self, folder: Path, managed: Path, faults: Faults) -> None:
        self._folder = folder
        self._managed = managed
        self._faults = faults
        self._lock = threading.Lock()
        self._shared: dict[str, Cluster] = {}
        self._job_clusters: set[Cluster] = set()
        self._columns: dict[str, str] = {}

    @property
    def routes(self) -> list[Route]:
        """The routes of this API."""
        return [("GET", "/api/2.1/clusters/get", self._get)]

    @contextmanager
    def of_task(self, python: Path, environment: Mapping[str, str], *, own: bool) -> Iterator[str]:
        """The address of a cluster whose catalog has all tables.

        Args:
            python: the environment's interpreter.
            environment: the variables of its process.
            own: whether to start a new one, which ends with the block.

        Raises:
            ClusterError: it did not start, or ended.
        """
        cluster = self._start(python, environment, own=own)
        try:
            cluster.ask({"learn": self._columns})
            yield cluster.url
            if cluster.runs:
                self._columns |= cluster.ask({})
        finally:
            if own:
                cluster.stop()
                self._job_clusters.discard(cluster)

    def close(self) -> None:
        """End all."""
        for cluster in [*self._shared.values(), *self._job_clusters]:
            cluster.stop()

    def _start(self, python: Path, environment: Mapping[str, str], *, own: bool) -> Cluster:
        catalogs = sorted(folder.name for folder in self._managed.iterdir())
        listed = ", ".join(
            f'{{type="memory", name="{name}", initial_database=["default"]}}' for name in catalogs
        )
        variables = {
            "RUST_LOG": "error",
            # The local AWS speaks plain HTTP.
            "AWS_ALLOW_HTTP": "true",
            "SAIL_CATALOG__LIST": f"[{listed}]",
            "SAIL_CATALOG__DEFAULT_CATALOG": "main",
            **environment,
        }
        key = json.dumps([str(python), variables], sort_keys=True)
        with self._lock:
            if not own and key in self._shared and self._shared[key].runs:
                return self._shared[key]
            cluster = Cluster(python, variables, self._managed, self._folder / "clusters.log")
            if own:
                self._job_clusters.add(cluster)
            else:
                self._shared[key] = cluster
        return cluster

    def _get(self, request: Request) -> Answer:
        requested = request.query.get("cluster_id")
        if requested != EXISTING_CLUSTER:
            raise invalid(f"Cluster {requested} does not exist")
        state = "TERMINATED" if self._faults.cluster_terminated else "RUNNING"
        answer = {
            "cluster_id": EXISTING_CLUSTER,
            "cluster_name": "the existing one",
            "spark_version": "17.3.x-scala2.13",
            "node_type_id": "m5d.large",
            "num_workers": 1,
            "data_security_mode": "SINGLE_USER",
            "state": state,
        }
        return Answer(json=answer)
