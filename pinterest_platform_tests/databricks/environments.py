"""Python environments of clusters: the packages of a Databricks Runtime and a task's libraries.

Each is a separate venv, which can import the platform only from its wheel.
"""

import hashlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

# The packages of a cluster; pysail stands for the cluster itself.
_RUNTIME = (
    "pyspark[connect]",
    "pysail",
    "pandas",
    "pyarrow",
    "numpy",
    "boto3",
    "databricks-sdk",
)
_LOCK = Path(__file__).parents[2] / "requirements.lock"
_BIN = Path(sys.executable).parent


class LibraryError(Exception):
    """A library could not be installed."""


class Environments:
    """The environments created so far, in a folder that workspaces share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def python(self, libraries: Sequence[str]) -> Path:
        """The interpreter of an environment with these libraries: wheels' paths or requirements.

        Raises:
            LibraryError: there is no such library, or it cannot be installed.
        """
        digest = hashlib.sha256()
        for library in libraries:
            # The same wheel in another volume needs no other environment.
            digest.update(Path(library).name.encode() + b"\0")
            if library.endswith(".whl"):
                if not Path(library).is_file():
                    raise LibraryError(f"{library} does not exist")
                digest.update(Path(library).read_bytes())
        environment = self._folder / digest.hexdigest()[:16]
        with self._lock:
            if not (environment / "made").exists():
                self._make(environment, libraries)
        return environment / "bin" / "python"

    def _make(self, environment: Path, libraries: Sequence[str]) -> None:
        environment.parent.mkdir(parents=True, exist_ok=True)
        python = str(environment / "bin" / "python")
        pins = environment / "pins.txt"
        _uv("venv", "--clear", "--python", sys.executable, str(environment))
        pins.write_text(_pins())
        install = ("pip", "install", "--python", python, "--constraint", str(pins), *_RUNTIME)
        try:
            # From uv's cache, in a second: fresh metadata would make uv rebuild PySpark.
            _uv(*install, *libraries, "--offline")
        except LibraryError:
            _uv(*install, *libraries)
        (environment / "made").touch()


def _pins() -> str:
    """The versions of requirements.lock, without hashes: newly built wheels have none."""
    lines = _LOCK.read_text().splitlines()
    return "\n".join(line.removesuffix("\\") for line in lines if re.match(r"\w", line))


def _uv(*arguments: str) -> None:
    done = subprocess.run(
        [str(_BIN / "uv"), *arguments, "--quiet"],
        env=os.environ | _registry(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LibraryError(done.stderr.strip())


def _registry() -> dict[str, str]:
    """Pip's index and certificates for uv, as in the Makefile."""
    index = os.environ.get("PIP_INDEX_URL") or _pip_index()
    return {"UV_SYSTEM_CERTS": "1"} | ({"UV_DEFAULT_INDEX": index} if index else {})


def _pip_index() -> str:
    requested = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    return subprocess.run(requested, capture_output=True, text=True, check=False).stdout.strip()
