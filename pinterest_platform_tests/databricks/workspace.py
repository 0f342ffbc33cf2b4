"""A local Databricks workspace for tests: it serves the real clients, and really runs tasks.

This module is its interface for tests. It cannot reproduce a real workspace's permissions, runtime,
Spark and timing.
"""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pinterest_platform_tests.databricks.clusters import Clusters
from pinterest_platform_tests.databricks.environments import Environments
from pinterest_platform_tests.databricks.faults import Faults
from pinterest_platform_tests.databricks.files import Files
from pinterest_platform_tests.databricks.runs import Runs
from pinterest_platform_tests.databricks.secret_scopes import SecretScopes
from pinterest_platform_tests.databricks.server import ApiServer
from pinterest_platform_tests.databricks.tasks import TaskRunner
from pinterest_platform_tests.databricks.unity import UnityCatalog

# The first environment of a machine takes half a minute; a busy machine may take much longer.
DEADLINE_SECONDS = 240


class Workspace:
    """A workspace that serves until it is closed.

    It has the catalog ``main`` and the cluster ``submissions.EXISTING_CLUSTER``. Concurrent tasks
    see each other's tables only on the shared cluster; later tasks see all tables.

    Attributes:
        host: its URL, for DATABRICKS_HOST.
        token: the valid token, for DATABRICKS_TOKEN.
        volumes: the folder that stands for /Volumes.
        tables: the folder of the managed tables of ``main``, as ``<schema>/<table>``.
        submitted: the accepted payloads, as sent.
        requests: method and path of each request.
        unknown: the requests without an endpoint here.
        secrets: keys and values by scope, filled by tests.
        service_credentials: the values of Unity Catalog's AWS service credentials, by name.
        environment: variables of each task and cluster, as from an instance profile; filled by
            tests.
        faults: switches for faults.
    """

    def __init__(self, folder: Path, environments: Environments) -> None:
        managed = folder / "managed"
        self.volumes = folder / "Volumes"
        self.volumes.mkdir(parents=True)
        self.tables = managed / "main"
        self.token = f"dapi{secrets.token_hex(16)}"
        self.faults = Faults()
        scopes = SecretScopes()
        self.secrets = scopes.values
        unity = UnityCatalog(managed, self.volumes)
        self.service_credentials = unity.service_credentials
        self._clusters = Clusters(folder, managed, self.faults)
        runner = TaskRunner(self.volumes, managed, environments, self._clusters, scopes)
        self.environment = runner.variables
        self._runs = Runs(folder / "runs", runner, self.faults)
        self.submitted: list[dict[str, Any]] = self._runs.submitted
        files = Files(self.volumes, lambda: self.faults.hides(self._runs.last_end()))
        self._server = ApiServer(self.token, self.faults)
        for part in (self._runs, files, unity, self._clusters, scopes):
            self._server.routes += part.routes
        self.requests = self._server.requests
        self.unknown = self._server.unknown
        self.host = f"http://127.0.0.1:{self._server.server_port}"
        self._runs.host = self.host
        runner.access.update(DATABRICKS_HOST=self.host, DATABRICKS_TOKEN=self.token)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()

    def wait_for(self, run_id: int, life_cycle: str = "TERMINATED") -> None:
        """Wait until a run is in a state, such as RUNNING."""
        self._runs.wait_for(run_id, life_cycle, DEADLINE_SECONDS)

    def wait_for_run(self, number: int, life_cycle: str) -> int:
        """Wait until the run after ``number`` other submissions is in a state; returns its id.

        >>> before = len(workspace.submitted)
        >>> ...  # something that submits
        >>> run_id = workspace.wait_for_run(before, "RUNNING")
        """
        run_id = self._runs.wait_for_submission(number, DEADLINE_SECONDS)
        self.wait_for(run_id, life_cycle)
        return run_id

    def close(self) -> None:
        """End the server and all processes."""
        try:
            self._runs.close()
        finally:
            self._clusters.close()
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


@contextmanager
def running_workspace(folder: Path, environments: Path | None = None) -> Iterator[Workspace]:
    """A workspace in a folder; its processes end with the block.

    Args:
        folder: a folder of its own, such as ``tmp_path``.
        environments: the folder of Python environments; by default next to ``folder``, where
            the next test finds them again.
    """
    kept = environments or folder.parent / "databricks-environments"
    workspace = Workspace(folder / "databricks", Environments(kept))
    try:
        yield workspace
    finally:
        workspace.close()
