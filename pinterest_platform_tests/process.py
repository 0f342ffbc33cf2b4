"""The ``pinterest`` command as a process, with only the settings of the test."""

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pinterest_platform_tests.forked import run_forked

# A run takes seconds; a busy machine may take much longer.
DEADLINE_SECONDS = 240

BIN = Path(sys.executable).parent


class Pinterest:
    """Runs commands in one home."""

    def __init__(self, home: Path, **settings: str) -> None:
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PINTEREST_", "DAGSTER_", "AWS_", "PYTHONDONTWRITE"))
        }
        self.home = home
        self.environment = clean | {"PINTEREST_HOME": str(home)} | settings

    @property
    def lake(self) -> str:
        """The default lake."""
        return str(self.home / "lake")

    def __call__(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run ``pinterest <arguments>`` to its end.

        Variables that Python reads at its start need a new process: see ``run``.
        """
        return run_forked(arguments, self.environment | settings, DEADLINE_SECONDS)

    def run(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run any command in the same environment."""
        return subprocess.run(
            command,
            env=self.environment | settings,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )

    def start(self, *arguments: str, output: Path | None = None) -> "subprocess.Popen[str]":
        """Start ``pinterest <arguments>``; the test ends it. Output goes to a file, or to pipes."""
        with output.open("w") if output else nullcontext(subprocess.PIPE) as printed:
            return subprocess.Popen(
                [str(BIN / "pinterest"), *arguments],
                env=self.environment,
                stdout=printed,
                stderr=printed,
                text=True,
            )

    def query(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query over the lake."""
        answer = self("query", sql, "--format", "json")
        assert answer.returncode == 0, answer.stderr
        rows: list[dict[str, Any]] = json.loads(answer.stdout)
        return rows
