"""The rooms of the package: imports run one way, and module names are unique per job."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pinterest_platform

PACKAGE = Path(pinterest_platform.__file__).parent

# A room imports from those below it, in this order, and from the ground.
ROOMS = ("commands", "runs", "defs", "engines", "build", "ingest", "lake", "tables")

# Modules and packages that everything may import; they import each other only.
GROUND = {
    "environment",
    "errors",
    "folders",
    "kinds",
    "network",
    "object_store",
    "outages",
    "places",
    "processes",
    "settings",
}

# Modules that gateway and sink may import besides the ground: landing layout and Kinesis client.
WAYS_IN = {
    "emulator": {"emulator"},
    "gateway": {"gateway", "kafka_client", "ingest.landing", "ingest.kinesis"},
    "sink": {"sink", "kafka_client", "ingest.landing"},
    "kafka_client": set[str](),
    "local_aws": {"local_aws", "gateway.stream_client"},
}

# Names of modules that do the same job in each of their rooms.
SAME_JOB = {
    "__main__",
    "arrivals",
    "assets",
    "cursor",
    "engine",
    "errors",
    "pending",
    "poll",
    "schedules",
    "sensors",
    "source",
    "watermark",
}


def modules() -> Iterator[tuple[str, Path]]:
    """The modules by name."""
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


def imports(path: Path) -> Iterator[str]:
    """The modules of the package that a module imports, even within functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            package, _, module = node.module.partition(".")
            if package == PACKAGE.name:
                yield from [module] if module else [alias.name for alias in node.names]


def test_imports_run_one_way() -> None:
    wrong = []
    for name, path in modules():
        room = name.partition(".")[0]
        for imported in imports(path):
            target = imported.partition(".")[0]
            if target in GROUND or target == room or not room:
                continue
            if room in ROOMS and target in ROOMS:
                fine = ROOMS.index(room) < ROOMS.index(target)
            elif room in WAYS_IN:
                fine = any(imported.startswith(allowed) for allowed in WAYS_IN[room])
            else:
                fine = room in {"commands", "cli", "__main__", "definitions", "runs"}
            if not fine:
                wrong.append(f"{name} imports {imported}")
    assert wrong == []


def test_modules_of_one_name_do_the_same_job() -> None:
    rooms = defaultdict(list)
    for name, path in modules():
        if path.stem == "__init__":
            continue
        room, _, module = name.rpartition(".")
        # A command has the name of what it runs.
        if room != "commands" and module not in SAME_JOB:
            rooms[module].append(room)
    assert {module: found for module, found in rooms.items() if len(found) > 1} == {}
