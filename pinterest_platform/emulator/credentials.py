"""The credentials of the source database: a YAML file, overridden by the environment."""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml
from sqlalchemy import URL

from pinterest_platform.errors import PlatformError

# Key of the file -> the environment variable that overrides it. The prefix is needed: every shell
# sets USER.
VARIABLES = {key: f"PINTEREST_DB_{key}" for key in ("HOST", "USER", "PASSWORD", "DATABASE", "PORT")}

# Only text of this form is shown as a key: anything else may be a value.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")


def load_credentials(file: Path | None, environ: Mapping[str, str]) -> URL:
    """Read HOST, USER, PASSWORD, DATABASE and PORT, each by its name, as a MySQL URL.

    Args:
        file: a YAML mapping with these keys only; None to take all of them from ``environ``.
        environ: PINTEREST_DB_HOST, _USER, _PASSWORD, _DATABASE and _PORT override the file.

    Raises:
        PlatformError: names the file and the key, never a value.
    """
    origin = f"the credentials file {file}" if file else "the environment"
    given = _read(file, origin) if file else {}
    overrides = {key: environ[name] for key, name in VARIABLES.items() if name in environ}
    values = given | overrides
    for key, name in VARIABLES.items():
        if values.get(key) is None:
            raise PlatformError(f"{origin} does not give {key}: add it, or set {name}")

    def source(key: str) -> str:
        return VARIABLES[key] if key in overrides else f"{key} in {origin}"

    for key in ("HOST", "USER", "PASSWORD", "DATABASE"):
        if not isinstance(values[key], str):
            # YAML reads 0123 as 83, so the written text is lost.
            raise PlatformError(f"{source(key)} is not text: put it in quotes")
        if not values[key] and key != "PASSWORD":
            raise PlatformError(f"{source(key)} is empty: fill it in")
    return URL.create(
        "mysql+pymysql",
        username=str(values["USER"]),
        password=str(values["PASSWORD"]),
        host=str(values["HOST"]),
        port=_port(values["PORT"], source("PORT")),
        database=str(values["DATABASE"]),
        query={"charset": "utf8mb4"},
    )


def _read(file: Path, origin: str) -> dict[str, object]:
    """The mapping in the file, with its keys checked, but not its values."""
    try:
        content = yaml.safe_load(file.read_bytes())
    except OSError as error:
        raise PlatformError(
            f"{origin} cannot be read ({error.strerror}): check --db-creds or PINTEREST_DB_CREDS"
        ) from None
    except yaml.MarkedYAMLError as error:
        # Only the line number: the rest of a YAML error quotes the file.
        line = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise PlatformError(f"{origin} is not YAML{line}: write one KEY: value a line") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise PlatformError(f"{origin} is not YAML: write one KEY: value a line") from None
    if not isinstance(content, dict):
        raise PlatformError(f"{origin} is not a mapping: write one KEY: value a line")
    for key in content:
        if key not in VARIABLES:
            named = (
                f"the unknown key {key}"
                if isinstance(key, str) and _NAME.fullmatch(key)
                else "a line that is not a key"
            )
            raise PlatformError(f"{origin} has {named}: the keys are {', '.join(VARIABLES)}")
    return content


def _port(value: object, source: str) -> int:
    """A TCP port, written as a number or as its digits."""
    text = "" if isinstance(value, bool) else str(value)
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65536:
        raise PlatformError(f"{source} is not a port: write a whole number from 1 to 65535")
    return int(text)
