"""Launches runs as Dagster does by default, and knows whether a run's process is still there.

Dagster's own launcher does not, so after a power cut, or a `make ui` that was killed, what was at
work would count as started for ever, and everything of its days would wait for it.
"""

import os
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

# Which process works on a run that was started in a terminal: "<host>:<pid>".
PROCESS_TAG = "pinterest/process"

# A code server answers at once; one that is busy is asked again in 15 s.
_PATIENCE_SECONDS = 5

# Dagster tries a failed run again when it notices that it failed, and never if the code server is
# away just then. So a run is not called failed while a server that has an address of its own may
# be back soon: until then nothing could work on its tables anyway.
_AWAY_SECONDS = 3_600

# How long one is back before the daemon surely has its definitions, which takes it a few seconds.
_BACK_SECONDS = 30


class WatchedRunLauncher(DefaultRunLauncher):
    """The default launcher, whose runs are marked as failed once nobody works on them."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # When a run was first missed, by how long it may be.
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
        """Whether the code server that launched the run works on it, or may do so."""
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:
            return True
        asked = CanCancelExecutionRequest(run_id=run.run_id)
        try:
            answer = client.can_cancel_execution(asked, timeout=_PATIENCE_SECONDS)
        except DagsterUserCodeUnreachableError as error:
            # gRPC's name for a server that is gone; one that is only late may be busy.
            known, patience = "UNAVAILABLE" not in str(error), _AWAY_SECONDS
        else:
            known = deserialize_value(answer, CanCancelExecutionResult).can_cancel
            patience = _BACK_SECONDS
        # A code server that Dagster started itself is asked over a socket. Once that one is gone,
        # none comes back there, and another has its definitions already.
        if known or client.port is None:
            return known
        now = time.monotonic()
        return now - self._missed.setdefault((run.run_id, patience), now) < patience


def is_alive(process: str) -> bool:
    """Whether the process of a run may still work: it is on another machine, unknown, or there."""
    host, _, pid = process.rpartition(":")
    if not host or host != socket.gethostname():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
