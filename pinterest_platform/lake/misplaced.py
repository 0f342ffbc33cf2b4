"""Finds lakes that earlier versions misplaced because Sail read the path as a URL or a glob."""

import shlex
from pathlib import Path
from urllib.parse import quote

from pinterest_platform.errors import PlatformError

# Characters that Sail left unencoded in a path; it encoded once for the log and twice for the data.
_IN_LOG_PATHS = "/!$&'()*+,;=:@[]^|~{}?"
_IN_DATA_PATHS = "/!$&'()*+,;=:@{}?"

_GLOB = frozenset("*?[]")


def reject_misplaced(root: str) -> None:
    """Refuse to start a new lake in a folder whose previous lake was misplaced.

    Args:
        root: the absolute path of the lake.

    Raises:
        PlatformError: names the misplaced lake's location and how to move it back.
    """
    if _holds_tables(Path(root)):
        return
    log = quote(root, safe=_IN_LOG_PATHS)
    data = quote(quote(root, safe=_IN_LOG_PATHS), safe=_IN_DATA_PATHS)
    if log != root and _holds_tables(Path(log)):
        raise PlatformError(
            f"an earlier version put the log of the lake {root} into {log} and its data into "
            f"{data}: copy both into it (mkdir -p {shlex.quote(root)} && cp -a "
            f"{shlex.quote(f'{log}/.')} {shlex.quote(f'{data}/.')} {shlex.quote(root)}), or move "
            "them away"
        )
    for folder in Path(root).parents:
        if not _GLOB.isdisjoint(folder.name) and (folder.parent / "_delta_log").is_dir():
            raise PlatformError(
                f"an earlier version mixed the tables of the lake {root} up in {folder.parent}: "
                "remove _delta_log and the Parquet files from there; `pinterest run` then makes "
                "them anew"
            )


def _holds_tables(root: Path) -> bool:
    try:
        return any(root.glob("*/*/_delta_log"))
    except OSError:
        return False
