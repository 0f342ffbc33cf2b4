"""Child processes of a command: start, output and end.

A child's stdin is a pipe from its parent. When the parent ends, even by SIGKILL, the pipe closes,
and the child ends itself: the code at the end, which runs in the child.
"""

import os
import re
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pinterest_platform.errors import PlatformError

# The local AWS is the slowest and takes a second; the first start after an installation also
# compiles all imports, perhaps on a busy machine.
START_SECONDS = 60

# A stopping gateway allows its requests 25 s; other processes take at most 5 s.
STOP_SECONDS = 30

# A killed process ends within milliseconds.
GONE_SECONDS = 2

# Enough for the end of a Python traceback.
LAST_LINES = 10

_LISTENING = re.compile(r"listening on ((?:http|sc)://\S+)\n")
_POLL_SECONDS = 0.02

# Linux only; macOS has no /proc.
_PROC = Path("/proc")
_ZOMBIE = "Z"


class Process:
    """A running child, the leader of a process group with the processes that it starts."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", output: IO[bytes]) -> None:
        self.name = name
        self._process = process
        assert process.stdin is not None  # noqa: S101 - Popen was given PIPE
        self._pipe = process.stdin
        self._output = output

    @property
    def pid(self) -> int:
        """The id of the process and of its group."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.poll()

    def wait(self) -> int:
        """Wait for its end; returns its exit code."""
        return self._process.wait()

    def output(self) -> str:
        """Its output so far, stdout and stderr."""
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode(errors="replace")

    def last_words(self) -> str:
        """The last lines of its output."""
        lines = [line for line in self.output().splitlines() if line.strip()]
        return "\n".join(lines[-LAST_LINES:])

    def url(self) -> str:
        """The URL on which it listens, from its output: a line "... listening on http://...".

        Spark Connect's URLs begin with sc://.

        Raises:
            PlatformError: it ended first, or did not print the line in time.
        """
        deadline = time.monotonic() + START_SECONDS
        while True:
            ended = self.exit_code() is not None
            if found := _LISTENING.search(self.output()):
                return found.group(1)
            if ended or time.monotonic() > deadline:
                last = self.last_words().rpartition("\n")[2] or "no output"
                why = "did not start" if ended else f"does not answer after {START_SECONDS} s"
                raise PlatformError(f"{self.name} {why}: {last.removeprefix('Error: ')}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """End it and the processes that it started; kill those that do not end in time.

        The signal goes to all of them, as Ctrl-C in a terminal does: a Dagster run whose process is
        only killed would count as running, and block the next runs.
        """
        try:
            self._signal(signal.SIGTERM)
            self._wait_until_gone(STOP_SECONDS)
        finally:
            self._signal(signal.SIGKILL)
            self._wait_until_gone(GONE_SECONDS)
            self._process.wait()
            self._pipe.close()

    def _signal(self, number: int) -> bool:
        """Send a signal to the group; False if the group is gone."""
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            # macOS raises PermissionError for dead processes.
            return False
        return True

    def _wait_until_gone(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (self.exit_code() is None or self._has_group()) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def _has_group(self) -> bool:
        """Whether a process of the group runs."""
        if not self._signal(0):
            return False
        stats = map(_stat, (entry.name for entry in _PROC.glob("[0-9]*")))
        states = [state for state, group in stats if group == str(self.pid)]
        # Without /proc, the signal's answer counts.
        return not states or any(state != _ZOMBIE for state in states)


def is_running(pid: int) -> bool:
    """Whether a process runs.

    A process that has exited stays a zombie until its parent reaps it. In a container, orphans
    belong to the first process, which may never reap them.
    """
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return _stat(str(pid))[0] != _ZOMBIE


def _stat(pid: str) -> tuple[str, str]:
    """The state and process group of a process; empty without /proc, and for one that is gone."""
    try:
        # The name in parentheses may contain anything, even half of a character.
        stat = (_PROC / pid / "stat").read_text(errors="replace")
    except OSError:
        return "", ""
    state, _, group, *_ = stat.rpartition(")")[2].split()
    return state, group


@contextmanager
def running(
    name: str,
    module: str,
    *arguments: str,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
    inherit_output: bool = False,
) -> Iterator[Process]:
    """Run ``python -m <module> <arguments>`` beside this process until the block ends.

    Ctrl-C in the terminal reaches only the parent, which then ends its children in order.

    Args:
        name: its name in messages.
        module: a module with a ``__main__``.
        arguments: its command line.
        log: the file for its output, overwritten; by default a temporary file.
        environment: its environment; by default that of this process.
        inherit_output: write its output to this process's stdout and stderr instead of a file.
    """
    environ = dict(os.environ if environment is None else environment)
    # With this variable, every start would compile all imports.
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with log.open("w+b") if log else tempfile.TemporaryFile() as output:
        process = Process(
            name,
            subprocess.Popen(
                [sys.executable, "-m", __name__, module, *arguments],
                stdin=subprocess.PIPE,
                stdout=None if inherit_output else output,
                stderr=None if inherit_output else subprocess.STDOUT,
                env=environ | {"PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            ),
            output,
        )
        try:
            yield process
        finally:
            process.stop()


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.killpg(os.getpgrp(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    # A shell's background job ignores SIGINT, and Dagster uses its handler for SIGTERM, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # The thread reads without a buffer: at its exit the interpreter cannot take a buffer's lock.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
