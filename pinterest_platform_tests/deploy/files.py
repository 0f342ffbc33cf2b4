"""The files of ``deploy/`` as Compose reads them: services with variables filled in."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"

# ${NAME}, ${NAME:-default} and ${NAME:?message}: the forms in compose.yaml.
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z0-9_]+)(?::([-?])([^}]*))?\}")

Service = dict[str, Any]


def compose() -> dict[str, Any]:
    """compose.yaml with merged anchors and unresolved variables."""
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return read


def services() -> dict[str, Service]:
    """The services by name."""
    found: dict[str, Service] = compose()["services"]
    return found


def example() -> dict[str, str]:
    """The variables of .env.example, including commented-out ones."""
    lines = (DEPLOY / ".env.example").read_text().splitlines()
    found = [re.fullmatch(r"#?([A-Z0-9_]+)=(.*)", line) for line in lines]
    return {match[1]: match[2] for match in found if match}


def environment(service: str, given: Mapping[str, str]) -> dict[str, str]:
    """The environment of the service's container if .env contains ``given``."""
    filled = {}
    for name, value in services()[service].get("environment", {}).items():
        if value is not None:
            filled[name] = fill(value, given)
        elif name in given:
            filled[name] = given[name]
    return filled


def fill(text: str, given: Mapping[str, str]) -> str:
    """The text with its variables resolved; a missing required variable is an error."""

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        if found := given.get(name, ""):
            return found
        assert kind != "?", f"{name} is required: {rest}"
        return rest or ""

    return VARIABLE.sub(value, text).replace("$$", "$")
