"""Launches runs as Dagster does by default, and detects runs whose process is gone.

Dagster's own launcher does not (https://github.com/dagster-io/dagster/issues/4319). After a power
cut or a killed `make ui`, interrupted runs would count as started forever, and all other runs of
their days would wait for them.
"""

import socket
import time
from typing import Any

from dagster import DagsterRun
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value
from typing_extensions import override

from pinterest_platform.defs.jobs import PROCESS_TAG
from pinterest_platform.processes import is_running

# A code server answers at once; a busy one is polled again in 15 s.
_PATIENCE_SECONDS = 5

# Dagster retries a failed run when it notices the failure, but never if the code server is away at
# that moment (https://github.com/dagster-io/dagster/issues/20730). So a run is not marked failed
# while a server with its own address may return soon; until then nothing else could work on the
# run's tables.
_AWAY_SECONDS = 3_600

# Time after a code server's return until the daemon has loaded its definitions, with a margin:
# loading takes a few seconds.
_BACK_SECONDS = 30


class WatchedRunLauncher(DefaultRunLauncher):
    """The default launcher, which also marks runs as failed once their process is gone."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # First time each run was missed, per grace period.
        self._missed: dict[tuple[str, int], float] = {}

    @property
    @override
    def supports_check_run_worker_health(self) -> bool:
        return True

    @override
    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        alive = is_alive(run.tags[PROCESS_TAG]) if PROCESS_TAG in run.tags else self._is_known(run)
        if alive:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "The process of this run is gone.")

    def _is_known(self, run: DagsterRun) -> bool:
        """Whether the code server that launched the run works on it or may still do so."""
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:
            return True
        asked = CanCancelExecutionRequest(run_id=run.run_id)
        try:
            answer = client.can_cancel_execution(asked, timeout=_PATIENCE_SECONDS)
        except DagsterUserCodeUnreachableError as error:
            # gRPC's status for a lost server; a server that times out may be busy.
            known, patience = "UNAVAILABLE" not in str(error), _AWAY_SECONDS
        else:
            known = deserialize_value(answer, CanCancelExecutionResult).can_cancel
            patience = _BACK_SECONDS
        # A code server that Dagster started listens on its own socket. If that server dies, its
        # replacement gets another socket and has already loaded the definitions: do not wait.
        if known or client.port is None:
            return known
        now = time.monotonic()
        return now - self._missed.setdefault((run.run_id, patience), now) < patience


def is_alive(process: str) -> bool:
    """Whether a run's process may still work: it is on another machine, unknown, or alive."""
    host, _, pid = process.rpartition(":")
    if not host or host != socket.gethostname():
        return True
    return is_running(int(pid))
