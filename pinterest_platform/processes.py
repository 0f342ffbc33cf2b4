"""Child processes of a command: how they are started, what they say, and how they end.

A child's stdin is a pipe that nobody writes to: when its parent ends, however it does, the pipe
does too, and the child ends itself. That side of it is at the end, for ``python -m``.
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

# The slowest start is that of the local AWS, a second; the first after an installation compiles all
# that it imports, on a machine that may be busy.
START_SECONDS = 60

# A stopping gateway gives the requests that it has 25 s. The others take 5 s at most.
STOP_SECONDS = 30

# What was killed is gone within milliseconds. Where nobody collects orphans (a container whose
# first process does not) it stays in the process group for ever: it is not waited for longer.
GONE_SECONDS = 2

# Enough to see the end of a Python traceback.
LAST_LINES = 10

_LISTENING = re.compile(r"listening on ((?:http|sc)://\S+)\n")
_LOOK_SECONDS = 0.02


class Process:
    """A running child: a leader of a process group, with all that it starts itself."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", output: IO[bytes]) -> None:
        self.name = name
        self._process = process
        assert process.stdin is not None  # noqa: S101 - it was asked for
        self._pipe = process.stdin
        self._output = output

    @property
    def pid(self) -> int:
        """Its process id, and that of its group."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    def output(self) -> str:
        """All that it said so far, on stdout and stderr."""
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode(errors="replace")

    def last_words(self) -> str:
        """The last lines that it said."""
        lines = [line for line in self.output().splitlines() if line.strip()]
        return "\n".join(lines[-LAST_LINES:])

    def url(self) -> str:
        """Where it listens, once it has said so at a line's end: "... listening on http://...".

        Spark Connect's URLs begin with sc://.

        Raises:
            PlatformError: it ended before, or did not say so in time.
        """
        deadline = time.monotonic() + START_SECONDS
        while True:
            ended = self.exit_code() is not None
            said = self.output()
            if found := _LISTENING.search(said):
                return found.group(1)
            if ended or time.monotonic() > deadline:
                last = self.last_words().rpartition("\n")[2] or "it said nothing"
                why = "did not start" if ended else f"does not answer after {START_SECONDS} s"
                raise PlatformError(f"{self.name} {why}: {last.removeprefix('Error: ')}")
            time.sleep(_LOOK_SECONDS)

    def stop(self) -> None:
        """Ask it and all that it started to end, and kill what did not in time.

        All of them, as Ctrl-C in a terminal does: a run of Dagster whose process is killed instead
        would be taken for one that still works, and block those after it.
        """
        try:
            self._signal(signal.SIGTERM)
            self._wait_until_gone(STOP_SECONDS)
        finally:
            # After an impatient second Ctrl-C, too.
            self._signal(signal.SIGKILL)
            self._wait_until_gone(GONE_SECONDS)
            self._process.wait()
            self._pipe.close()

    def _signal(self, number: int) -> bool:
        """Signal the group; whether there is one."""
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            # PermissionError is what macOS says of the dead.
            return False
        return True

    def _wait_until_gone(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        # The poll takes the leader, which would stay in the group for ever.
        while (self.exit_code() is None or self._signal(0)) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)


@contextmanager
def running(
    name: str,
    module: str,
    *arguments: str,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
    shown: bool = False,
) -> Iterator[Process]:
    """Run ``python -m <module> <arguments>`` beside this process until the block ends.

    A Ctrl-C in the terminal reaches only the parent, which decides what ends when.

    Args:
        name: what messages call it.
        module: a module with a ``__main__``.
        arguments: its command line.
        log: the file that what it says goes to, overwritten; without one, a file without a name.
        environment: its variables; without them, those of this process.
        shown: whether what it says goes where this process's words go, and not to a file.
    """
    environ = dict(os.environ if environment is None else environment)
    # With it every start would compile all imports again.
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with log.open("w+b") if log else tempfile.TemporaryFile() as output:
        process = Process(
            name,
            subprocess.Popen(
                [sys.executable, "-m", __name__, module, *arguments],
                stdin=subprocess.PIPE,
                stdout=None if shown else output,
                stderr=None if shown else subprocess.STDOUT,
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
    # Below a shell's background job it is ignored, and Dagster takes its handler for SIGTERM, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # The thread uses no buffered reader, which the interpreter could not take down while it waits.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
