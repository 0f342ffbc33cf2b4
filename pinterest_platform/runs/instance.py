"""The Dagster instance of this machine: its location, opening it, and its storage errors."""

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from filelock import FileLock
from sqlalchemy.exc import DatabaseError

from pinterest_platform.defs.jobs import PROCESS_TAG
from pinterest_platform.environment import set_variables
from pinterest_platform.errors import PlatformError
from pinterest_platform.folders import plain_path
from pinterest_platform.runs.launcher import is_alive
from pinterest_platform.settings import Settings

# Dagster's configuration errors go on to list all valid options.
_LONGEST_REASON = 200

# Errors of a full, read-only, inaccessible or broken file system.
_STORAGE_ERRORS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOENT,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EIO,
}

_LAUNCHER_BEFORE = b"module: pinterest_platform.launcher"
_LAUNCHER = b"module: pinterest_platform.runs.launcher"

_UNFINISHED = [
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


@contextmanager
def instance_of(settings: Settings) -> Iterator[DagsterInstance]:
    """The Dagster instance at DAGSTER_HOME or, if that is unset, below PINTEREST_HOME.

    First fails the runs started in a terminal whose process was killed, so that no run waits for
    them.

    Raises:
        PlatformError: the instance cannot be written, on opening or within the block.
    """
    home = Path(settings.dagster_home)
    # Dagster and its child processes find the instance through the environment. In the URL of its
    # SQLite files, a question mark would start the query, and SQLAlchemy 2.1 decodes %20.
    in_url = str(home) if {"?", "%"}.isdisjoint(str(home)) else plain_path(str(home))
    set_variables({"DAGSTER_HOME": in_url})
    with _home_errors(home):
        with _opening(home):
            home.mkdir(parents=True, exist_ok=True)
            # Dagster creates its SQLite tables without a lock: of two concurrent first runs, one
            # would see incomplete tables.
            with FileLock(home / ".lock"):
                _configure(home / "dagster.yaml")
                opened = DagsterInstance.get()
        with opened as instance:
            end_killed_runs(instance)
            yield instance


def _configure(file: Path) -> None:
    """Write the platform's dagster.yaml, or update one that names the launcher's old module."""
    if not file.exists():
        shutil.copy(Path(__file__).with_name("dagster.yaml"), file)
        return
    text = file.read_bytes()
    updated = text.replace(_LAUNCHER_BEFORE, _LAUNCHER)
    if updated != text:
        file.write_bytes(updated)


@contextmanager
def _opening(home: Path) -> Iterator[None]:
    """Turn configuration errors into one line; storage errors pass through to the caller."""
    try:
        yield
    except (OSError, DatabaseError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:_LONGEST_REASON]
        raise PlatformError(
            f"the Dagster instance in {home} cannot be opened ({reason}): correct "
            f"{home}/dagster.yaml, or remove it for the one that comes with the platform"
        ) from None


@contextmanager
def _home_errors(home: Path) -> Iterator[None]:
    """Turn errors of Dagster's storage into one line, wherever they surface."""
    try:
        yield
    except DatabaseError as error:
        reason = str(error.orig).strip().split("\n", 1)[0]
        if not isinstance(error.orig, sqlite3.Error):
            raise PlatformError(
                f"the database of the Dagster instance in {home} cannot be used ({reason}): check "
                f"that it runs, and {home}/dagster.yaml"
            ) from None
        if "not a database" in reason or "malformed" in reason:
            raise PlatformError(
                f"Dagster's files in {home} are damaged ({reason}): restore them from a backup, "
                f"or remove {home}, which the lake does not need; then run again"
            ) from None
        raise _unwritable(home, reason) from None
    except OSError as error:
        if error.errno not in _STORAGE_ERRORS:
            raise
        raise _unwritable(home, str(error.strerror)) from None


def _unwritable(home: Path, reason: str) -> PlatformError:
    return PlatformError(
        f"the Dagster home {home} cannot be written ({reason}): free space, make it writable, or "
        "set DAGSTER_HOME to another folder; then run again"
    )


def end_killed_runs(instance: DagsterInstance) -> None:
    """Fail runs started in a terminal whose process is gone, and free their concurrency slots."""
    for run in instance.get_runs(RunsFilter(statuses=_UNFINISHED)):
        if not is_alive(run.tags.get(PROCESS_TAG, "")):
            instance.report_run_failed(run, "The run's process exited without reporting a result.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
