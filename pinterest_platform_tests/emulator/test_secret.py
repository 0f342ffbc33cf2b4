"""The source database from a secret of AWS Secrets Manager, read from the local AWS."""

import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from pinterest_platform import settings
from pinterest_platform.emulator.database import open_source
from pinterest_platform.errors import PlatformError
from pinterest_platform_tests.local_aws import CREDENTIALS, client, running_moto

PASSWORD = "hunter2-geheim"
# As the console of RDS writes it.
GOOD: dict[str, Any] = {
    "username": "reader",
    "password": PASSWORD,
    "engine": "mysql",
    "host": "db.example",
    "port": 3306,
    "dbname": "pins",
    "dbInstanceIdentifier": "pins-1",
}
NAMES = (f"rds!db-{number}" for number in itertools.count())

Secret = Callable[[str], str]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with running_moto() as endpoint:
        yield endpoint


@pytest.fixture
def secret(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Secret:
    """Store a text as the secret in the settings; returns its ARN."""
    for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint}).items():
        monkeypatch.setenv(name, value)

    def keep(text: str) -> str:
        name = next(NAMES)
        kept = client("secretsmanager", endpoint).create_secret(Name=name, SecretString=text)
        monkeypatch.setenv("PINTEREST_DB_SECRET", name)
        arn: str = kept["ARN"]
        return arn

    return keep


def opened(**options: Any) -> URL:
    return open_source(settings.load(), environ=os.environ, **options).url


def test_a_secret_of_rds_becomes_a_mysql_url(secret: Secret) -> None:
    secret(json.dumps(GOOD))
    assert opened().render_as_string(hide_password=False) == (
        f"mysql+pymysql://reader:{PASSWORD}@db.example:3306/pins?charset=utf8mb4"
    )


def test_an_arn_contains_the_region(secret: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINTEREST_DB_SECRET", secret(json.dumps(GOOD)))
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert opened().host == "db.example"


def test_the_environment_overrides_and_completes_a_managed_secret(
    secret: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret(json.dumps({"username": "reader", "password": PASSWORD}))
    for name, value in {"HOST": "h", "PORT": "3307", "DATABASE": "d", "USER": "other"}.items():
        monkeypatch.setenv(f"PINTEREST_DB_{name}", value)
    assert opened().render_as_string(hide_password=False) == (
        f"mysql+pymysql://other:{PASSWORD}@h:3307/d?charset=utf8mb4"
    )


@pytest.mark.parametrize("key", ["username", "password", "host", "port", "dbname"])
def test_a_missing_key_is_named(secret: Secret, key: str) -> None:
    secret(json.dumps({name: value for name, value in GOOD.items() if name != key}))
    with pytest.raises(PlatformError, match=rf"has no {key}: .*PINTEREST_DB_") as caught:
        opened()
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (json.dumps(GOOD | {"socket": PASSWORD}), "unknown key socket"),
        (json.dumps(GOOD | {"engine": f"postgres-{PASSWORD}"}), "engine in .* is not mysql"),
        (json.dumps(GOOD | {"port": PASSWORD}), "port in .* whole number"),
        (json.dumps(GOOD | {"password": 123}), "password in .* is not text"),
        (PASSWORD, "is not a JSON object"),
        (json.dumps([PASSWORD]), "is not a JSON object"),
    ],
)
def test_an_unusable_secret_is_one_line_without_a_value(
    secret: Secret, text: str, says: str
) -> None:
    secret(text)
    with pytest.raises(PlatformError, match=says) as caught:
        opened()
    message = str(caught.value)
    assert f"the secret {settings.load().db_secret}" in message
    assert PASSWORD not in message
    assert "\n" not in message
    # Chained exceptions, which Python prints, must not contain the value either.
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_missing_secret_is_named(secret: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINTEREST_DB_SECRET", "nowhere")
    with pytest.raises(PlatformError, match=r"nowhere .*ResourceNotFoundException.*DB_SECRET"):
        opened()


def test_a_file_and_a_secret_together_are_an_error(
    secret: Secret, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret(json.dumps(GOOD))
    monkeypatch.setenv("PINTEREST_DB_CREDS", str(tmp_path / "creds.yaml"))
    with pytest.raises(PlatformError, match="PINTEREST_DB_CREDS and PINTEREST_DB_SECRET"):
        opened()


def test_a_value_instead_of_the_name_is_not_displayed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINTEREST_DB_SECRET", json.dumps(GOOD))
    with pytest.raises(PlatformError, match="PINTEREST_DB_SECRET cannot be used") as caught:
        settings.load()
    assert PASSWORD not in str(caught.value)
