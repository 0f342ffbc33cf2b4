"""The Dagster side of the engine: submits a run that builds a step's tables on Databricks.

Each run has an idempotency token, which a retry of the step derives again. So after a lost
connection or a killed process, the retry resumes the same run, or reads its results if it has
ended; only a failed run is replaced by another.
"""

import hashlib
import time
import warnings
from collections.abc import Generator, Iterator
from typing import Any

import dagster as dg
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.errors.platform import NotFound, PermissionDenied, Unauthenticated
from databricks.sdk.service import jobs
from requests import RequestException

from pinterest_platform.build.outcomes import Outcome, from_json
from pinterest_platform.build.request import Request
from pinterest_platform.engines.databricks.compute import Compute, submission
from pinterest_platform.engines.databricks.messages import (
    END,
    ERROR,
    OUTAGE,
    Access,
    extras_of,
)
from pinterest_platform.engines.databricks.volume import RunFolder, Volume
from pinterest_platform.engines.databricks.wheel import task_wheel
from pinterest_platform.errors import (
    ConfigurationError,
    OutageError,
    PlatformError,
    RemoteError,
    RemoteOutageError,
    first_line,
)
from pinterest_platform.places import Places

# A run takes minutes; a request for its state, a tenth of a second.
_POLL_SECONDS = 1.0

# A task writes its last messages before it ends, and the reader polls the volume every second.
_LATE_SECONDS = 60

# Cancelling takes seconds, or longer while a cluster is starting.
_CANCEL_SECONDS = 60

# A step and three retries, in the first Dagster run and in three more after crashes.
_MOST_RUNS = 16

_RETRY_NUMBER, _PARENT_RUN = "dagster/retry_number", "dagster/parent_run_id"

# Dagster warns about a preview API of Pipes that only Dagster itself calls.
warnings.filterwarnings("ignore", category=dg.PreviewWarning, module=r"dagster\._core\.pipes")

_OVER = (
    jobs.RunLifeCycleState.TERMINATED,
    jobs.RunLifeCycleState.SKIPPED,
    jobs.RunLifeCycleState.INTERNAL_ERROR,
)


class DatabricksEngine:
    """Builds tables on a compute; passes places and access to the task."""

    def __init__(self, compute: Compute, places: Places, access: Access, volume: str) -> None:
        self._compute = compute
        self._places = places
        self._access = access
        self._volume = volume

    def build(self, context: dg.AssetExecutionContext, request: Request) -> Iterator[Outcome]:
        """Build tables and run checks on Databricks, yielding each outcome at once; see ``build``.

        Raises:
            PlatformError: a request to Databricks failed, or the run failed.
        """
        self._compute.check()
        try:
            workspace = WorkspaceClient()
        except ValueError as error:
            # The SDK raises ValueError if host or credentials are not configured.
            raise _out_of_reach(error) from None
        try:
            volume = Volume(workspace, self._volume)
            volume.make()
            wheel = volume.hold(task_wheel())
            origin = f"{_first_try(context)}:{context.op_def.name}"
            for number in range(_MOST_RUNS):
                token = hashlib.sha256(f"{origin}:{number}".encode()).hexdigest()
                run = _Run(workspace, context, volume.of_run(token), token)
                extras = extras_of(request, self._places, self._access)
                if (yield from run.outcomes(extras, self._compute, wheel)):
                    return
        except (DatabricksError, RequestException, TimeoutError) as error:
            raise _out_of_reach(error) from error
        raise PlatformError(
            f"{_MOST_RUNS} runs on Databricks failed: open their pages in Databricks"
        )


class _Run:
    """A run, and the attempt of the step that follows it."""

    def __init__(
        self,
        workspace: WorkspaceClient,
        context: dg.AssetExecutionContext,
        folder: RunFolder,
        token: str,
    ) -> None:
        self._jobs = workspace.jobs
        self._context = context
        self._folder = folder
        self._token = token
        self._received = 0
        self._ended = False
        self._error = ""
        self._outage = False

    def outcomes(
        self, extras: dict[str, Any], where: Compute, wheel: str
    ) -> Generator[Outcome, None, bool]:
        """Yield the run's outcomes and return True, or False if an earlier attempt's run failed.

        Raises:
            PlatformError: the run failed in this attempt.
        """
        earlier = self._folder.exists()
        with dg.open_pipes_session(
            self._context, self._folder, self._folder.reader(), extras
        ) as session:
            parameters = [
                part for pair in session.get_bootstrap_cli_arguments().items() for part in pair
            ]
            name = f"pinterest: {self._context.op_def.name}, Dagster run {self._context.run_id}"
            submitted = submission(where, wheel, parameters, name, self._token)
            run_id = 0
            try:
                run_id = self._submit(submitted)
                run = self._jobs.get_run(run_id)
                if earlier and _is_over(run) and not _succeeded(run):
                    return False
                self._context.log.info(f"The run on Databricks: {run.run_page_url}")
                while not _is_over(run):
                    yield from self._new(session)
                    time.sleep(_POLL_SECONDS)
                    run = self._jobs.get_run(run_id)
            except (dg.DagsterExecutionInterruptedError, KeyboardInterrupt, GeneratorExit):
                # An interrupted submission may have created the run: a repeated one returns its id.
                self._cancel(run_id or self._submit(submitted))
                raise
            deadline = time.monotonic() + _LATE_SECONDS
            while not (self._ended or self._error) and _succeeded(run):
                yield from self._new(session)
                if time.monotonic() > deadline:
                    if earlier and not self._received:
                        return False
                    raise OutageError(
                        f"the run on Databricks ended, but {_LATE_SECONDS} s later its messages "
                        f"were not in {self._folder.path}: {run.run_page_url}"
                    )
                time.sleep(_POLL_SECONDS)
        yield from self._new(session)
        if not _succeeded(run):
            raise self._failure(run)
        self._folder.delete()
        return True

    def _submit(self, submitted: dict[str, Any]) -> int:
        run_id: int = self._jobs.submit(**submitted).bind()["run_id"]
        return run_id

    def _new(self, session: dg.PipesSession) -> Iterator[Outcome]:
        """The outcomes that the task reported since the last call."""
        messages = session.get_custom_messages()
        while self._received < len(messages):
            message = messages[self._received]
            self._received += 1
            if END in message:
                self._ended = True
            elif ERROR in message:
                self._error = message[ERROR]
                self._outage = bool(message.get(OUTAGE))
            else:
                yield from_json(message)

    def _cancel(self, run_id: int) -> None:
        self._context.log.info("The step was interrupted: cancelling its run on Databricks.")
        self._jobs.cancel_run(run_id)
        deadline = time.monotonic() + _CANCEL_SECONDS
        while not _is_over(self._jobs.get_run(run_id)) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def _failure(self, run: jobs.Run) -> PlatformError:
        state = run.state or jobs.RunState()
        message = (state.state_message or "").strip()
        traceback = ""
        for task in run.tasks or []:
            output = self._jobs.get_run_output(task.run_id or 0)
            message = output.error or message
            traceback = output.error_trace or traceback
        result = state.result_state or state.life_cycle_state
        reason = self._error or message or (result.value if result else "for an unknown reason")
        url = run.run_page_url or ""
        # Without a traceback, Databricks or the cluster failed, not the task's code.
        outage = self._outage or not (self._error or traceback)
        error = RemoteOutageError if outage else RemoteError
        return error(f"{first_line(reason)} (on Databricks: {url})", url, traceback)


def _first_try(context: dg.AssetExecutionContext) -> str:
    """The id of the first Dagster run in the chain of automatic retries."""
    run = context.run
    while _RETRY_NUMBER in run.tags:
        parent = context.instance.get_run_by_id(run.tags[_PARENT_RUN])
        if parent is None:
            break
        run = parent
    return run.run_id


def _out_of_reach(error: Exception) -> PlatformError:
    # These classes mean that Databricks refused the request; all others, that it is unreachable.
    refused = isinstance(error, ValueError | NotFound | PermissionDenied | Unauthenticated)
    return (ConfigurationError if refused else OutageError)(
        f"a request to Databricks failed ({first_line(error)}): check DATABRICKS_HOST, the "
        "credentials, and the network"
    )


def _is_over(run: jobs.Run) -> bool:
    return run.state is not None and run.state.life_cycle_state in _OVER


def _succeeded(run: jobs.Run) -> bool:
    return run.state is not None and run.state.result_state == jobs.RunResultState.SUCCESS
