"""The credentials of the source database: a YAML file or a secret of AWS Secrets Manager.

The environment wins over both. How a secret is read from AWS lives in ``secret``.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import yaml
from sqlalchemy import URL

from pinterest_platform.emulator.secret import read_secret
from pinterest_platform.errors import PlatformError

# With a prefix, because every shell sets USER.
VARIABLES = {key: f"PINTEREST_DB_{key}" for key in ("HOST", "USER", "PASSWORD", "DATABASE", "PORT")}

SECRET_KEYS = {
    "HOST": "host",
    "USER": "username",
    "PASSWORD": "password",
    "DATABASE": "dbname",
    "PORT": "port",
}

# Further keys that RDS and its rotation write (Secrets Manager, JSON structure reference).
_OTHER_SECRET_KEYS = ("engine", "dbInstanceIdentifier", "dbClusterIdentifier", "masterarn")

_SECRET_ENGINES = ("mysql", "mariadb")

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
    return _mysql_url(given, origin, {key: key for key in VARIABLES}, environ)


def load_secret(secret: str, region: str, environ: Mapping[str, str]) -> URL:
    """Read a secret with the JSON that RDS writes as a MySQL URL.

    Args:
        secret: its name or ARN. Its keys are username, password, host, port, dbname and engine; a
            secret that RDS manages has only the first two.
        region: of a secret given by name; if empty, the region of AWS's configuration.
        environ: PINTEREST_DB_HOST, _USER, _PASSWORD, _DATABASE and _PORT win over the secret.

    Raises:
        PlatformError: names the secret and the key, never a value.
    """
    origin = f"the secret {secret}"
    content = read_secret(secret, region)
    known = (*SECRET_KEYS.values(), *_OTHER_SECRET_KEYS)
    _reject_unknown(content, known, origin)
    if content.get("engine", "mysql") not in _SECRET_ENGINES:
        raise PlatformError(
            f"engine in {origin} is not {' or '.join(_SECRET_ENGINES)}: set the secret of a "
            "MySQL or MariaDB database"
        )
    given = {key: content[name] for key, name in SECRET_KEYS.items() if name in content}
    return _mysql_url(given, origin, SECRET_KEYS, environ)


def _mysql_url(
    given: Mapping[str, object],
    origin: str,
    names: Mapping[str, str],
    environ: Mapping[str, str],
) -> URL:
    """The URL from the values in ``origin``, whose keys are spelled as in ``names``."""
    overrides = {key: environ[name] for key, name in VARIABLES.items() if name in environ}
    values = {**given, **overrides}
    for key, name in VARIABLES.items():
        if values.get(key) is None:
            raise PlatformError(f"{origin} has no {names[key]}: add it, or set {name}")

    def source(key: str) -> str:
        return VARIABLES[key] if key in overrides else f"{names[key]} in {origin}"

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
    _reject_unknown(content, VARIABLES, origin)
    return content


def _reject_unknown(content: Iterable[object], known: Collection[str], origin: str) -> None:
    for key in content:
        if key not in known:
            named = (
                f"the unknown key {key}"
                if isinstance(key, str) and _NAME.fullmatch(key)
                else "a line that is not a key"
            )
            raise PlatformError(f"{origin} has {named}: the keys are {', '.join(known)}")


def _port(value: object, source: str) -> int:
    """A TCP port, written as a number or as its digits."""
    text = "" if isinstance(value, bool) else str(value)
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65536:
        raise PlatformError(f"{source} is not a port: write a whole number from 1 to 65535")
    return int(text)
