"""Secrets in settings appear in no message, no log and no data of Dagster."""

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pinterest_platform.environment import forget_users_of_endpoints
from pinterest_platform.errors import PlatformError
from pinterest_platform.settings import Settings, load
from pinterest_platform_tests.landing import land_posts
from pinterest_platform_tests.process import Pinterest

SECRET = "s3cretPassw0rd"
USER = f"planted:{SECRET}"

# Port 9 is discard: no server listens on it.
NOWHERE = "127.0.0.1:9"
TODAY = datetime.now(UTC).date().isoformat()
RUN = ("run", "--day", TODAY, "--select", "raw/pin,raw/pin_stream")
POST = ("emulate", "batch", "--posts", "1")
KEYS = {"AWS_ACCESS_KEY_ID": "planted", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "eu-west-1"}
LAKE_ON_S3 = {"PINTEREST_LAKE": "s3://bucket/lake"}

PLANTED: list[tuple[tuple[str, ...], dict[str, str]]] = [
    (RUN, {"AWS_ENDPOINT_URL": f"http://{USER}@{NOWHERE}", **KEYS}),
    (RUN, {"AWS_ENDPOINT_URL": f"http://{USER}@{NOWHERE}", **KEYS, **LAKE_ON_S3}),
    (RUN, {"AWS_ENDPOINT_URL_S3": f"http://{USER}@{NOWHERE}", **KEYS, **LAKE_ON_S3}),
    (("streams", "list"), {"AWS_ENDPOINT_URL_KINESIS": f"http://{USER}@{NOWHERE}", **KEYS}),
    (RUN, {"PINTEREST_LAKE": f"s3://{USER}@bucket/lake", **KEYS}),
    (RUN, {"PINTEREST_LANDING": f"s3://{USER}@bucket/lake", **KEYS}),
    (RUN, {"PINTEREST_LANDING": f"http://{USER}@{NOWHERE}"}),
    (RUN, {"PINTEREST_HOME": f"http://{USER}@{NOWHERE}"}),
    (RUN, {"DAGSTER_HOME": f"http://{USER}@{NOWHERE}"}),
    (
        RUN,
        {
            "http_proxy": f"http://{USER}@{NOWHERE}",
            "https_proxy": f"http://{USER}@{NOWHERE}",
            "AWS_ENDPOINT_URL": "http://s3.invalid",
            **KEYS,
            **LAKE_ON_S3,
        },
    ),
    (
        RUN,
        {
            "PINTEREST_ENGINE": "connect",
            "PINTEREST_SPARK_REMOTE": f"sc://{USER}@{NOWHERE}/;token={SECRET}",
        },
    ),
    (POST, {"PINTEREST_GATEWAY_URL": f"http://{USER}@{NOWHERE}"}),
    (POST, {"PINTEREST_DB_URL": f"mysql://{USER}@{NOWHERE}/posts?ssl_key_password={SECRET}"}),
    (POST, {"PINTEREST_DB_URL": f"foo://{USER}@{NOWHERE}/posts"}),
    (
        POST,
        {
            "PINTEREST_DB_HOST": "127.0.0.1",
            "PINTEREST_DB_PORT": "9",
            "PINTEREST_DB_USER": "planted",
            "PINTEREST_DB_DATABASE": "posts",
            "PINTEREST_DB_PASSWORD": SECRET,
        },
    ),
    (("sink",), {"PINTEREST_KAFKA_BOOTSTRAP": f"{USER}@{NOWHERE}"}),
    (("gateway", "--port", "0"), {"PINTEREST_KAFKA_BOOTSTRAP": f"kafka://{USER}@{NOWHERE}"}),
    (("sink",), {"PINTEREST_KAFKA_SECURITY": "iam", "PINTEREST_KAFKA_PASSWORD": SECRET}),
]


@pytest.mark.parametrize(("command", "settings"), PLANTED)
def test_a_planted_secret_is_nowhere(
    tmp_path: Path, command: tuple[str, ...], settings: dict[str, str]
) -> None:
    pinterest = Pinterest(tmp_path / "home")
    land_posts(pinterest.home / "landing", range(2), arrived_at=datetime.now(UTC))
    if command == POST and "PINTEREST_GATEWAY_URL" in settings:
        assert pinterest("seed-db", "--rows", "2").returncode == 0

    ended = pinterest(*command, **settings)

    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert SECRET not in ended.stdout + ended.stderr
    stored = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in stored if SECRET.encode() in path.read_bytes()] == []


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_refuses_a_url_with_a_password_or_is_tested_above(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    variable = {"dagster_home": "DAGSTER_HOME", "aws_region": "AWS_REGION"}.get(
        name, f"PINTEREST_{name.upper()}"
    )
    monkeypatch.setenv(variable, f"http://{USER}@{NOWHERE}")
    if variable in {setting for _, settings in PLANTED for setting in settings}:
        return
    with suppress(PlatformError):
        # Names of Databricks resources are sent there and appear nowhere else.
        assert SECRET not in repr(load()) or name.startswith("databricks_") or name == "kafka_user"
        return
    with pytest.raises(PlatformError, match=variable) as refused:
        load()
    assert SECRET not in str(refused.value)


def test_the_url_of_a_workspace_forgets_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", f"https://{USER}@adb-1.example.net")
    forget_users_of_endpoints()
    assert os.environ["DATABRICKS_HOST"] == "https://adb-1.example.net"
