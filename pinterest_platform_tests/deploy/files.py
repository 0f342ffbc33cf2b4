"""The files of ``deploy/`` as Compose reads them: services with variables filled in."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"

# ${NAME}, ${NAME:-default} and ${NAME:?message}: all that compose.yaml uses.
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z0-9_]+)(?::([-?])([^}]*))?\}")

Service = dict[str, Any]


def compose() -> dict[str, Any]:
    """compose.yaml with its anchors merged, and its variables as they stand there."""
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return read


def services() -> dict[str, Service]:
    """The services by name."""
    found: dict[str, Service] = compose()["services"]
    return found


def example() -> dict[str, str]:
    """The variables of .env.example, those that are commented out, too."""
    lines = (DEPLOY / ".env.example").read_text().splitlines()
    found = [re.fullmatch(r"#?([A-Z0-9_]+)=(.*)", line) for line in lines]
    return {match[1]: match[2] for match in found if match}


def environment(service: str, given: Mapping[str, str]) -> dict[str, str]:
    """What a container of the service has, when ``given`` is what .env says."""
    filled = {}
    for name, value in services()[service].get("environment", {}).items():
        if value is not None:
            filled[name] = fill(value, given)
        elif name in given:
            filled[name] = given[name]
    return filled


def fill(text: str, given: Mapping[str, str]) -> str:
    """The text with its variables; a required one that is not given is an error."""

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        if found := given.get(name, ""):
            return found
        assert kind != "?", f"{name} is required: {rest}"
        return rest or ""

    return VARIABLE.sub(value, text).replace("$$", "$")
