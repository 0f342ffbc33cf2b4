"""Descendants of processes, from /proc."""

from pathlib import Path


def is_alive(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    return _parent(pid) > 0


def below(pid: int) -> dict[int, str]:
    """All descendants of a process, with their command lines."""
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    parents = {child: _parent(child) for child in pids}
    found: dict[int, str] = {}
    generation = {pid}
    while generation:
        generation = {child for child, parent in parents.items() if parent in generation}
        found |= {child: _command(child) for child in generation}
    return found


def _parent(pid: int) -> int:
    try:
        state, parent, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if state == "Z" else int(parent)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
