"""A running Dagster daemon: what starts sensors, schedules and queued runs in `make ui`."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg

from pinterest_platform_tests.process import Pinterest

# A tick every 15 s, a run of 10 s, and a busy machine.
DEADLINE_SECONDS = 180

ROOT = Path(__file__).parents[1]

T = TypeVar("T")


class Daemon:
    """The instance of a running daemon, as a user of the UI sees it."""

    def __init__(self, instance: dg.DagsterInstance, process: "subprocess.Popen[bytes]", log: Path):
        self.instance = instance
        self._process = process
        self._log = log

    def until(self, condition: Callable[[], T], what: str) -> T:
        """Wait until the condition gives something, and give it."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not (found := condition()):
            assert self._process.poll() is None, self._said(f"the daemon ended before {what}")
            assert time.monotonic() < deadline, self._said(f"not within the deadline: {what}")
            time.sleep(0.2)
        return found

    def kill(self) -> None:
        """End the daemon, its code server and its runs as a power cut does."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def ticks(self, sensor: str) -> list[Any]:
        """The ticks of a sensor or schedule that are over, newest first."""
        states = [
            state
            for state in self.instance.all_instigator_state()
            if state.instigator_name == sensor
        ]
        return [
            tick
            for state in states
            for tick in self.instance.get_ticks(state.instigator_origin_id, state.selector_id)
            if tick.status.value != "STARTED"
        ]

    def finished_runs(self) -> list[dg.DagsterRun]:
        """The runs that are over, newest first; none as long as any waits or works."""
        runs = list(self.instance.get_runs())
        return runs if all(run.is_finished for run in runs) else []

    def materialisations(self, asset: str) -> list[dg.EventLogRecord]:
        """Every time that an asset ("raw/pin") was made, newest first."""
        key = dg.AssetKey(asset.split("/"))
        return list(self.instance.fetch_materializations(key, limit=1000).records)

    def _said(self, what: str) -> str:
        return f"{what}\n{self._log.read_text(errors='replace')[-6000:]}"


@contextmanager
def running_daemon(pinterest: Pinterest, **settings: str) -> Iterator[Daemon]:
    """Start a daemon in the home of ``pinterest``, with its settings and others; end it at last."""
    home = pinterest.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        shutil.copy(ROOT / "pinterest_platform" / "runs" / "dagster.yaml", home)
    log = pinterest.home / "daemon.log"
    environment: Mapping[str, str] = pinterest.environment | settings | {"DAGSTER_HOME": str(home)}
    command = [sys.executable, "-W", "ignore", "-m", "dagster._daemon", "run"]
    with log.open("wb") as said, dg.DagsterInstance.from_config(str(home)) as instance:
        process = subprocess.Popen(
            [*command, "-w", str(ROOT / "workspace.yaml")],
            env=environment,
            stdout=said,
            stderr=subprocess.STDOUT,
            # With its code server and its runs, so that all of them can be ended.
            start_new_session=True,
        )
        try:
            yield Daemon(instance, process, log)
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the daemon as Ctrl-C does, and what is left of its session after that."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
