"""Folders: names that every engine takes literally, and temporary ones that a killed run leaves."""

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

# Sail takes a path for a URL and for a glob: it decodes %20, encodes a space or an é, once for
# the Delta log and twice for the data, and expands * and [a]. Spark's SQL unquotes ' and `.
_PLAIN = re.compile(r"[A-Za-z0-9_./=+@,-]+")

# Where links are made when ~/.cache cannot be written or is not plain itself.
FALLBACKS = (tempfile.gettempdir(), "/tmp", "/var/tmp")  # noqa: S108 - their owner is looked at

_OWN = "pinterest-"

# A process on another machine that shares the folder cannot be asked whether it lives. No run
# takes so long.
_ABANDONED_SECONDS = 2 * 24 * 3600


def is_plain(path: str) -> bool:
    """Whether every engine takes the path literally."""
    return _PLAIN.fullmatch(path) is not None and ".." not in path.split("/")


def is_folder(place: str) -> bool:
    """Whether a place is a folder, and not a URL."""
    return "://" not in place


def plain_path(path: str) -> str:
    """A path of the folder that every engine takes literally.

    It is the path itself where that is plain, else a symbolic link to the folder. The link of a
    folder has the same name in every process: two sessions of a server see one table, not two.

    Raises:
        PlatformError: there is no folder for the link.
    """
    if is_plain(path):
        return path
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    link = _links(path) / name
    with suppress(OSError):
        if str(link.readlink()) == path:
            return str(link)
    new = link.with_name(f"{name}.{uuid.uuid4().hex}")
    new.symlink_to(path)
    new.replace(link)
    return str(link)


def unusable_characters(path: str) -> str:
    """What keeps a path from being used, in words; an empty text when nothing does."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "bytes that are not UTF-8"
    control = next((character for character in path if ord(character) < 32), "")
    return f"the control character {control!a}" if control else ""


@contextmanager
def temporary_folder(parent: str | None = None) -> Iterator[str]:
    """A new folder, under a plain path, that is gone after the block.

    What killed processes left in the same place goes first: by their names the folders say whose
    they were.

    Args:
        parent: where it is made; the system's folder for temporary files without one.
    """
    place = Path(parent or tempfile.gettempdir())
    sweep(place)
    with tempfile.TemporaryDirectory(prefix=f"{owner()}-", dir=place) as folder:
        yield plain_path(folder)


def owner() -> str:
    """The beginning of the names of this process's temporary folders."""
    return f"{_OWN}{socket.gethostname()}-{os.getpid()}"


def is_abandoned(name: str, seconds: float) -> bool:
    """Whether a temporary folder, or a prefix on S3, is of a process that is gone.

    Args:
        name: as ``owner`` begins it.
        seconds: since it was changed last.
    """
    host, _, number = name.removeprefix(_OWN).rpartition("-")[0].rpartition("-")
    if not (name.startswith(_OWN) and number.isdecimal()):
        return False
    if host != socket.gethostname():
        return seconds > _ABANDONED_SECONDS
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def sweep(place: Path) -> None:
    """Remove the temporary folders of processes that are gone; what cannot be removed stays."""
    with suppress(OSError):
        for folder in place.glob(f"{_OWN}*-*-*"):
            with suppress(OSError):
                status = folder.lstat()
                mine = status.st_uid == os.getuid() and stat.S_ISDIR(status.st_mode)
                if mine and is_abandoned(folder.name, time.time() - status.st_mtime):
                    shutil.rmtree(folder, ignore_errors=True)


def _links(path: str) -> Path:
    """This user's folder for links, made when missing."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    for parent in (cache, *FALLBACKS):
        # In a folder that all users share, the name is the user's, and the owner is looked at.
        folder = Path(parent) / f"pinterest_platform-{os.getuid()}"
        if not is_plain(str(folder)):
            continue
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = folder.lstat()
            mine = status.st_uid == os.getuid() and stat.S_ISDIR(status.st_mode)
            if mine and os.access(folder, os.W_OK):
                return folder
    raise PlatformError(
        f"the path {path} has characters that engines do not take literally, and no folder for a "
        "link to it can be made: set XDG_CACHE_HOME to a writable folder with a name of letters, "
        "digits, _ and -"
    )
