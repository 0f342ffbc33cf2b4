"""The configuration of Kafka's clients, and their outages in the log."""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from confluent_kafka import KafkaError

from pinterest_platform import settings
from pinterest_platform.errors import PlatformError
from pinterest_platform.kafka_client import Brokers, client_config

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


class Client:
    """A client of two brokers, as librdkafka reports on it."""

    def __init__(self) -> None:
        self.brokers = Brokers()
        self._callbacks = self.brokers.config()

    def error(self, text: str, code: int = KafkaError._TRANSPORT) -> None:
        self._callbacks["error_cb"](KafkaError(code, text))

    def connected(self, *addresses: str) -> None:
        """The statistics with connections to these brokers."""
        states = {"b-1:9092": "DOWN", "b-2:9092": "DOWN"} | dict.fromkeys(addresses, "UP")
        brokers = {
            f"{address}/{number}": {"nodename": address, "state": state}
            for number, (address, state) in enumerate(states.items())
        }
        self._callbacks["stats_cb"](json.dumps({"brokers": brokers}))


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The log so far, without the seconds of outages."""
    caplog.set_level("INFO", "pinterest_platform")
    return lambda: [
        f"{record.levelname} {record.getMessage().partition(' after ')[0]}"
        for record in caplog.records
    ]


def test_each_broker_has_its_own_outage_whatever_name_the_client_gives_it(
    lines: Callable[[], list[str]],
) -> None:
    client = Client()
    client.error("GroupCoordinator: b-1:9092: Connect failed: refused (after 1ms in state INIT)")
    client.error("sasl_ssl://b-1:9092/bootstrap: Connect failed: refused (after 2ms in state INIT)")
    client.error("sasl_ssl://b-1:9092/1: Connect failed: refused (after 0ms in state CONNECT)")
    client.error("2/2 brokers are down", KafkaError._ALL_BROKERS_DOWN)
    client.connected("b-2:9092")
    client.error("sasl_ssl://b-2:9092/2: Disconnected")
    assert client.brokers.reason == "sasl_ssl://b-2:9092/2: Disconnected"
    client.connected("b-1:9092", "b-2:9092")
    client.error("sasl_ssl://b-1:9092/1: Disconnected")
    assert lines() == [
        "WARNING broker b-1:9092 is unavailable: Connect failed: refused",
        "WARNING broker b-2:9092 is unavailable: Disconnected",
        "INFO broker b-1:9092 is available again",
        "INFO broker b-2:9092 is available again",
        "WARNING broker b-1:9092 is unavailable: Disconnected",
    ]


def test_an_outage_of_requests_lasts_until_one_succeeds_and_the_brokers_are_connected(
    lines: Callable[[], list[str]],
) -> None:
    client = Client()
    client.brokers.request_failed("Timed out")
    client.brokers.request_failed("Timed out")
    client.connected("b-1:9092", "b-2:9092")
    client.error("b-1:9092/1: Timed out")
    client.brokers.request_succeeded()
    client.connected("b-2:9092")
    assert lines() == ["WARNING Kafka is unavailable: Timed out"]
    client.connected("b-1:9092", "b-2:9092")
    assert lines()[1:] == ["INFO Kafka is available again"]
    assert client.brokers.reason == ""


def test_failed_requests_are_part_of_the_outage_of_a_broker(
    lines: Callable[[], list[str]],
) -> None:
    client = Client()
    client.error("b-1:9092/1: Disconnected")
    client.brokers.request_failed("Timed out")
    client.brokers.request_succeeded()
    client.connected("b-1:9092")
    assert lines() == [
        "WARNING broker b-1:9092 is unavailable: Disconnected",
        "INFO broker b-1:9092 is available again",
    ]
