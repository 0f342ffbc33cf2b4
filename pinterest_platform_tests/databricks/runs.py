"""The Jobs API: submitted runs and their states."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from pinterest_platform_tests.databricks.api import Answer, Request, Route, invalid, missing
from pinterest_platform_tests.databricks.faults import Faults
from pinterest_platform_tests.databricks.submissions import EXISTING_CLUSTER, checked
from pinterest_platform_tests.databricks.tasks import Ended, Task, TaskRunner

_API = "/api/2.2/jobs/runs"
_CANCELLED = Ended("TERMINATED", "CANCELED", "Run cancelled.", "Run cancelled.")

# Killed processes are gone within milliseconds; interrupted installations take seconds.
_CLOSE_SECONDS = 60


class Run:
    """A run with its one task."""

    def __init__(self, run_id: int, payload: dict[str, Any], folder: Path) -> None:
        folder.mkdir(parents=True)
        self.run_id = run_id
        # The task has its own id.
        self.task_run_id = run_id + 1
        self.payload = payload
        self.task = Task(payload, folder)
        self.life_cycle = "PENDING"
        self.end: Ended | None = None
        # Why it was stopped from outside; empty if it was not.
        self.stopped: Ended | None = None
        self.started_at = time.time()
        self.ended_at = 0.0


class Runs:
    """All runs of a workspace. ``host`` is set once it is known."""

    def __init__(self, folder: Path, runner: TaskRunner, faults: Faults) -> None:
        self.host = ""
        self.submitted: list[dict[str, Any]] = []
        self._folder = folder
        self._runner = runner
        self._faults = faults
        self._changed = faults.changed
        self._runs: dict[int, Run] = {}
        self._by_token: dict[str, Run] = {}
        self._threads: list[threading.Thread] = []
        self._last_end = 0.0
        faults.on_kill(self._kill_tasks)
        faults.on_terminate(self._terminate_cluster)

    @property
    def routes(self) -> list[Route]:
        """The routes of this API."""
        return [
            ("POST", f"{_API}/submit", self._submit),
            ("GET", f"{_API}/get", self._get),
            ("GET", f"{_API}/get-output", self._get_output),
            ("POST", f"{_API}/cancel", self._cancel),
        ]

    def last_end(self) -> float | None:
        """The end of the last run, on the monotonic clock; None while a run is active."""
        with self._changed:
            return None if any(run.end is None for run in self._runs.values()) else self._last_end

    def wait_for(self, run_id: int, life_cycle: str, seconds: float) -> None:
        """Wait until a run is in a state."""
        run = self._runs[run_id]
        with self._changed:
            reached = self._changed.wait_for(lambda: run.life_cycle == life_cycle, seconds)
        assert reached, f"run {run_id} is {run.life_cycle} after {seconds} s, not {life_cycle}"

    def wait_for_submission(self, number: int, seconds: float) -> int:
        """Wait for the run after ``number`` other submissions; returns its id."""
        with self._changed:
            submitted = self._changed.wait_for(lambda: len(self._runs) > number, seconds)
        assert submitted, f"only {len(self._runs)} runs were submitted within {seconds} s"
        return list(self._runs)[number]

    def close(self) -> None:
        """End all tasks, and wait until they have."""
        with self._changed:
            for run in self._runs.values():
                self._stop(run, _CANCELLED)
        for thread in self._threads:
            thread.join(_CLOSE_SECONDS)

    def _submit(self, request: Request) -> Answer:
        payload = checked(request.json)
        token = payload.get("idempotency_token")
        with self._changed:
            run = self._by_token.get(token) if token else None
            if run is None:
                run_id = 1001 + 2 * len(self._runs)
                run = Run(run_id, payload, self._folder / str(run_id))
                self._runs[run_id] = run
                if token:
                    self._by_token[token] = run
                self.submitted.append(payload)
                self._changed.notify_all()
                thread = threading.Thread(target=self._work, args=(run,), daemon=True)
                self._threads.append(thread)
                thread.start()
        self._faults.after_submit()
        return Answer(json={"run_id": run.run_id})

    def _get(self, request: Request) -> Answer:
        run = self._found(request.query.get("run_id"))
        return Answer(json=self._described(run))

    def _get_output(self, request: Request) -> Answer:
        requested = request.query.get("run_id")
        run = next((run for run in self._runs.values() if str(run.task_run_id) == requested), None)
        if run is None:
            self._found(requested)
            raise invalid("Retrieving the output of runs with multiple tasks is not supported.")
        answer: dict[str, Any] = {"metadata": self._described_task(run)}
        if end := run.end:
            answer |= {"logs": end.logs, "logs_truncated": False}
            answer |= {"error": end.error} if end.error else {}
            answer |= {"error_trace": end.trace} if end.trace else {}
        return Answer(json=answer)

    def _cancel(self, request: Request) -> Answer:
        run = self._found(str(request.json.get("run_id")))
        with self._changed:
            self._stop(run, _CANCELLED)
        return Answer(json={})

    def _work(self, run: Run) -> None:
        def may_start() -> bool:
            return not self._faults.pending_is_held or run.stopped is not None

        def started() -> None:
            with self._changed:
                if run.stopped is None:
                    run.life_cycle = "RUNNING"
                    self._changed.notify_all()

        with self._changed:
            self._changed.wait_for(may_start)
            if run.task.on_existing_cluster and self._faults.cluster_terminated:
                self._stop(run, _unready())
        end = run.stopped or self._runner.run(run.task, started)
        with self._changed:
            run.end = replace(run.stopped, logs=end.logs) if run.stopped else end
            run.life_cycle = run.end.life_cycle
            run.ended_at = time.time()
            self._last_end = time.monotonic()
            self._changed.notify_all()

    def _stop(self, run: Run, end: Ended) -> None:
        if run.end is None and run.stopped is None:
            run.stopped = end
            run.life_cycle = "TERMINATING"
            run.task.stop()
            self._changed.notify_all()

    def _kill_tasks(self) -> None:
        with self._changed:
            for run in self._runs.values():
                run.task.kill()

    def _terminate_cluster(self) -> None:
        lost = f"Cluster {EXISTING_CLUSTER} was terminated during the run."
        with self._changed:
            for run in self._runs.values():
                if run.task.on_existing_cluster:
                    end = Ended("INTERNAL_ERROR", "FAILED", lost, lost)
                    self._stop(run, end if run.life_cycle == "RUNNING" else _unready())

    def _found(self, run_id: str | None) -> Run:
        run = self._runs.get(int(run_id or 0))
        if run is None:
            raise missing(f"Run {run_id} does not exist.")
        return run

    def _described(self, run: Run) -> dict[str, Any]:
        with self._changed:
            return self._common(run) | {
                "run_id": run.run_id,
                "job_id": run.run_id,
                "run_name": run.payload.get("run_name", "Untitled"),
                "run_type": "SUBMIT_RUN",
                "format": "MULTI_TASK",
                "tasks": [self._described_task(run)],
            }

    def _described_task(self, run: Run) -> dict[str, Any]:
        return self._common(run) | {
            "run_id": run.task_run_id,
            "attempt_number": 0,
            **run.task.payload,
        }

    def _common(self, run: Run) -> dict[str, Any]:
        state: dict[str, Any] = {"life_cycle_state": run.life_cycle, "state_message": ""}
        if end := run.end:
            state |= {"result_state": end.result, "state_message": end.message}
        return {
            "state": state,
            "run_page_url": f"{self.host}/?o=0#job/{run.run_id}/run/{run.run_id}",
            "start_time": int(run.started_at * 1000),
            "end_time": int(run.ended_at * 1000),
        }


def _unready() -> Ended:
    message = (
        f"Unexpected failure while waiting for the cluster ({EXISTING_CLUSTER}) to be ready: "
        f"Cluster {EXISTING_CLUSTER} is in unexpected state Terminated."
    )
    return Ended("INTERNAL_ERROR", "FAILED", message, message)
