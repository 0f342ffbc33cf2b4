"""Runs the ``pinterest`` command in a process forked after the imports.

Importing Dagster and Spark takes longer than most commands of the tests do. One process for each
worker of pytest imports them once and does nothing else. A command is a process forked from it,
with its own environment, working directory and output.
"""

import atexit
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([f"{__name__}_imports"])


def run_forked(
    arguments: Sequence[str], environment: Mapping[str, str], timeout: float
) -> "subprocess.CompletedProcess[str]":
    """Run ``pinterest <arguments>`` to its end, with exactly this environment."""
    with tempfile.TemporaryDirectory() as folder:
        printed = [Path(folder, name) for name in ("stdout", "stderr")]
        for file in printed:
            file.touch()
        process = _processes.Process(
            target=_pinterest, args=(arguments, dict(environment), Path.cwd(), *printed)
        )
        process.start()
        process.join(timeout)
        ended = process.exitcode is not None
        if not ended:
            process.kill()
            process.join()
        output, errors = (file.read_text(encoding="utf-8", errors="replace") for file in printed)
        if not ended:
            raise subprocess.TimeoutExpired(["pinterest", *arguments], timeout, output, errors)
        return subprocess.CompletedProcess(
            ["pinterest", *arguments], process.exitcode or 0, output, errors
        )


def _pinterest(
    arguments: Sequence[str], environment: dict[str, str], folder: Path, stdout: Path, stderr: Path
) -> None:
    """Do what the console script does, in the forked process."""
    # Imported here, where the fork server has already imported it: the test workers need not.
    from pinterest_platform.cli import run  # noqa: PLC0415

    for stream, file in ((sys.stdout, stdout), (sys.stderr, stderr)):
        with file.open("ab") as output:
            os.dup2(output.fileno(), stream.fileno())
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    time.tzset()
    sys.argv = ["pinterest", *arguments]
    try:
        run()
    finally:
        # A process of multiprocessing ends without its exit handlers.
        atexit._run_exitfuncs()
