"""The configuration of Kafka's clients."""

import base64
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from pinterest_platform import settings
from pinterest_platform.errors import PlatformError
from pinterest_platform.kafka_client import client_config

SECRET = "swordfish"


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINTEREST_KAFKA_BOOTSTRAP", "broker:9098")
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)


def test_msk_gets_a_token_signed_for_its_region_and_without_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PINTEREST_KAFKA_SECURITY", "iam")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    config = client_config(settings.load())
    assert (config["security.protocol"], config["sasl.mechanism"]) == ("sasl_ssl", "OAUTHBEARER")
    token, expires = config["oauth_cb"]("")
    signed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    assert urlsplit(signed).hostname == "kafka.eu-west-1.amazonaws.com"
    assert parse_qs(urlsplit(signed).query)["Action"] == ["kafka-cluster:Connect"]
    assert 60 < expires - time.time() <= 3600
    assert SECRET not in signed


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"PINTEREST_KAFKA_SECURITY": "iam"}, "AWS_REGION"),
        ({"PINTEREST_KAFKA_SECURITY": "scram-sha-512"}, "PINTEREST_KAFKA_USER"),
        (
            {"PINTEREST_KAFKA_SECURITY": "scram-sha-256", "PINTEREST_KAFKA_USER": SECRET},
            "PINTEREST_KAFKA_PASSWORD",
        ),
        ({"PINTEREST_KAFKA_SECURITY": "tls", "PINTEREST_KAFKA_CA": "/nowhere"}, "KAFKA_CA"),
        ({"PINTEREST_KAFKA_CA": str(Path(__file__))}, "PINTEREST_KAFKA_SECURITY"),
        ({"PINTEREST_KAFKA_SECURITY": SECRET}, "PINTEREST_KAFKA_SECURITY"),
    ],
)
def test_a_missing_setting_is_named_and_no_value_shown(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PlatformError, match=named) as refused:
        client_config(settings.load())
    assert SECRET not in str(refused.value)
