"""Folders: paths that every engine takes literally, and temporary folders, even of killed runs."""

import hashlib
import os
import re
import shutil
import socket
import stat
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pinterest_platform.errors import PlatformError
from pinterest_platform.processes import is_running

# Sail treats a path as a URL and a glob: it decodes %20, encodes a space or an é (once for the
# Delta log, twice for the data), and expands * and [a]. Spark's SQL unquotes ' and `.
_PLAIN = re.compile(r"[A-Za-z0-9_./=+@,-]+")

# Parents for links if ~/.cache is not writable or not plain itself.
FALLBACKS = (tempfile.gettempdir(), "/tmp", "/var/tmp")  # noqa: S108 - _links checks the owner

_OWN = "pinterest-"

# Processes on other machines that share the folder are invisible; no run takes this long.
_ABANDONED_SECONDS = 2 * 24 * 3600


def is_plain(path: str) -> bool:
    """Whether every engine takes the path literally."""
    return _PLAIN.fullmatch(path) is not None and ".." not in path.split("/")


def is_folder(place: str) -> bool:
    """Whether a location is a folder, not a URL."""
    return "://" not in place


def plain_path(path: str) -> str:
    """A path to the folder that every engine takes literally.

    A plain path is returned as it is, any other as a symbolic link to the folder. The link's name
    is the same in every process, so that two sessions of a server see one table, not two.

    Raises:
        PlatformError: there is no usable folder for the link.
    """
    if is_plain(path):
        return path
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    link = _links(path) / name
    # There is no link yet, or something else in its place: the new one replaces it.
    with suppress(OSError):
        if str(link.readlink()) == path:
            return str(link)
    new = link.with_name(f"{name}.{uuid.uuid4().hex}")
    new.symlink_to(path)
    new.replace(link)
    return str(link)


def unusable_characters(path: str) -> str:
    """Describe a path's unsupported characters; empty if there are none."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "bytes that are not UTF-8"
    control = next((character for character in path if ord(character) < 32), "")
    return f"the control character {control!a}" if control else ""


@contextmanager
def temporary_folder(parent: str | None = None) -> Iterator[str]:
    """A new folder with a plain path, deleted after the block.

    Leftovers of killed processes in the same parent are deleted first; each folder's name
    identifies its process.

    Args:
        parent: the parent folder; by default the system's folder for temporary files.
    """
    place = Path(parent or tempfile.gettempdir())
    sweep(place)
    with tempfile.TemporaryDirectory(prefix=f"{owner()}-", dir=place) as folder:
        yield plain_path(folder)


def owner() -> str:
    """The name prefix of this process's temporary folders."""
    return f"{_OWN}{socket.gethostname()}-{os.getpid()}"


def is_abandoned(name: str, seconds: float) -> bool:
    """Whether the process of a temporary folder, or of a prefix on S3, is gone.

    Args:
        name: the folder's name, which starts with an ``owner``.
        seconds: seconds since the last change.
    """
    host, _, number = name.removeprefix(_OWN).rpartition("-")[0].rpartition("-")
    if not (name.startswith(_OWN) and number.isdecimal()):
        return False
    if host != socket.gethostname():
        return seconds > _ABANDONED_SECONDS
    return not is_running(int(number))


def sweep(place: Path) -> None:
    """Remove the temporary folders of dead processes; undeletable ones stay."""
    # Cleaning up must not fail a session: the next one tries again.
    with suppress(OSError):
        for folder in place.glob(f"{_OWN}*-*-*"):
            with suppress(OSError):
                status = folder.lstat()
                mine = status.st_uid == os.getuid() and stat.S_ISDIR(status.st_mode)
                if mine and is_abandoned(folder.name, time.time() - status.st_mtime):
                    shutil.rmtree(folder, ignore_errors=True)


def _links(path: str) -> Path:
    """This user's folder for links, created if missing."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    for parent in (cache, *FALLBACKS):
        # In a folder shared by all users, the name contains the user, and the owner is checked.
        folder = Path(parent) / f"pinterest_platform-{os.getuid()}"
        if not is_plain(str(folder)):
            continue
        # The next folder may be usable; if none is, the error below is raised.
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = folder.lstat()
            mine = status.st_uid == os.getuid() and stat.S_ISDIR(status.st_mode)
            if mine and os.access(folder, os.W_OK):
                return folder
    raise PlatformError(
        f"the path {path} has characters that engines do not take literally, and no folder for a "
        "link to it can be created: set XDG_CACHE_HOME to a writable folder with a name of "
        "letters, digits, _ and -"
    )
