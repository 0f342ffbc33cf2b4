"""Diagnoses storage faults of a lake in one line: the table, the fault and the fix.

Engines report these faults in stack traces, often without the table's name, so this module searches
their text.
"""

import re
import shutil
import tempfile
from pathlib import Path

from pinterest_platform.errors import ConfigurationError, PlatformError
from pinterest_platform.folders import is_folder
from pinterest_platform.tables import raw
from pinterest_platform.tables.catalog import TABLES
from pinterest_platform.tables.contract import Table

# errno's messages, as Rust and Java repeat them.
_FULL = re.compile("No space left on device|Disk quota exceeded|File too large")
_CLOSED = re.compile("Permission denied|Read-only file system|Operation not permitted")
_LOST = re.compile("not found|No such file|does not exist|FileNotFound|FILE_NOT_EXIST")

# <schema>/<table>/[day=<D>/]<file>.parquet; Spark percent-encodes the = of a partition folder.
_FILE = re.compile(
    r"\b(raw|cleaned|analytics)/(\w+)/(?:day(?:=|%3D)([0-9-]{10})/)?([\w.-]+\.parquet)"
)

# Less free space than this counts as a full disk: engines write files of several megabytes.
_LITTLE_BYTES = 16 * 2**20


def storage_fault(text: str, root: str) -> PlatformError | None:
    """Diagnose an engine's error as a fault of the lake's storage; None if it is not one.

    Args:
        text: the error's text, including the errors that caused it.
        root: the lake's folder or URL.
    """
    if found := _FULL.search(text):
        return ConfigurationError(
            f"{_full_place(root)} is full ({found[0]}): free space, and run again"
        )
    if found := _CLOSED.search(text):
        return ConfigurationError(
            f"the lake {root} cannot be written ({found[0]}): make it writable for this user, or "
            "set PINTEREST_LAKE"
        )
    found = _FILE.search(text)
    table = TABLES.get(f"{found[1]}.{found[2]}") if found else None
    if found is None or table is None:
        return None
    what = "has lost" if _LOST.search(text) else "cannot be read from"
    return ConfigurationError(
        f"the table {table.full_name} {what} the file {found[4]}: put it back into "
        f"{_folder(root, table)} from a backup, or {_made_again(root, table, found[3])}"
    )


def damaged_log(reason: str, root: str, table: Table) -> PlatformError:
    """The error for a table whose log cannot be read."""
    return ConfigurationError(
        f"the log of the table {table.full_name} is damaged ({reason}): put "
        f"{_folder(root, table)}/_delta_log back from a backup, or {_removed(root, table)}"
    )


def _folder(root: str, table: Table) -> str:
    return f"{root}/{table.schema}/{table.name}"


def _made_again(root: str, table: Table, day: str | None) -> str:
    if table.schema == "raw":
        return _removed(root, table)
    if table.daily:
        return f"make the day again with `pinterest run --day {day} --full`"
    return f"make it again with `pinterest run --select {table.schema}/{table.name} --full`"


def _removed(root: str, table: Table) -> str:
    remove = f"remove {_folder(root, table)} and all that is in it, then `pinterest run"
    if table in raw.STREAM.values():
        return f"{remove}`, which reads again what Kinesis still keeps"
    if table.schema == "raw":
        return f"{remove}`, which reads again what is in the landing place"
    return f"{remove}`" if table.daily else f"{remove} --select {table.schema}/{table.name}`"


def _full_place(root: str) -> str:
    """The folder on the full disk; both written folders if either may be full."""
    temporary = tempfile.gettempdir()
    folders = {f"the temporary folder {temporary}": temporary}
    if is_folder(root) and Path(root).exists():
        folders[f"the lake {root}"] = root
    full = [
        name for name, folder in folders.items() if shutil.disk_usage(folder).free < _LITTLE_BYTES
    ]
    return " and ".join(full) or " or ".join(folders)
