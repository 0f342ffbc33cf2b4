"""A running Dagster daemon, which starts sensors, schedules and queued runs as in `make ui`."""

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

from local_servers.dagster_home import instance_at
from pinterest_platform_tests.process import Pinterest

# A tick every 5 s, a run of 10 s, and a busy machine.
DEADLINE_SECONDS = 180

ROOT = Path(__file__).parents[1]

T = TypeVar("T")


class Daemon:
    """The instance of a running daemon, as the UI shows it."""

    def __init__(self, instance: dg.DagsterInstance, process: "subprocess.Popen[bytes]", log: Path):
        self.instance = instance
        self._process = process
        self._log = log

    def until(self, condition: Callable[[], T], what: str) -> T:
        """Wait until the condition returns a true value, and return it."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not (found := condition()):
            assert self._process.poll() is None, self._output(f"the daemon ended before {what}")
            assert time.monotonic() < deadline, self._output(f"not within the deadline: {what}")
            time.sleep(0.2)
        return found

    def kill(self) -> None:
        """Kill the daemon, its code server and its runs, as a power failure would."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def ticks(self, sensor: str) -> list[Any]:
        """The finished ticks of a sensor or schedule, newest first."""
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
        """The finished runs, newest first; empty while any run is queued or running."""
        runs = list(self.instance.get_runs())
        return runs if all(run.is_finished for run in runs) else []

    def materialisations(self, asset: str) -> list[dg.EventLogRecord]:
        """The times of an asset's ("raw/pin") materialisations, newest first."""
        key = dg.AssetKey(asset.split("/"))
        return list(self.instance.fetch_materializations(key, limit=1000).records)

    def _output(self, what: str) -> str:
        return f"{what}\n{self._log.read_text(errors='replace')[-6000:]}"


@contextmanager
def running_daemon(pinterest: Pinterest, **settings: str) -> Iterator[Daemon]:
    """A daemon in the home of ``pinterest``, with additional settings; ends with the block."""
    home = pinterest.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        shutil.copy(ROOT / "pinterest_platform" / "runs" / "dagster.yaml", home)
    log = pinterest.home / "daemon.log"
    environment: Mapping[str, str] = pinterest.environment | settings | {"DAGSTER_HOME": str(home)}
    command = [sys.executable, "-W", "ignore", "-m", "dagster._daemon", "run"]
    with log.open("wb") as printed, instance_at(home) as instance:
        process = subprocess.Popen(
            [*command, "-w", str(ROOT / "workspace.yaml")],
            env=environment,
            stdout=printed,
            stderr=subprocess.STDOUT,
            # In one session with its code server and runs, to end them together.
            start_new_session=True,
        )
        try:
            yield Daemon(instance, process, log)
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the daemon as Ctrl-C does, then kill the rest of its session."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
