"""Clients of Kafka: configuration and outages, for the gateway that writes and the sink that reads.

Producing lives in ``gateway.kafka``, consuming in ``sink.sink_task``.
"""

import json
import logging
import re
from collections.abc import Callable
from threading import Lock
from typing import Any

from confluent_kafka import KafkaError

from pinterest_platform.errors import PlatformError
from pinterest_platform.outages import Outage
from pinterest_platform.settings import Settings

logger = logging.getLogger(__name__)

# PINTEREST_KAFKA_SECURITY -> librdkafka's security.protocol and sasl.mechanism.
SECURITY = {
    "plaintext": ("plaintext", ""),
    "tls": ("ssl", ""),
    "scram-sha-256": ("sasl_ssl", "SCRAM-SHA-256"),
    "scram-sha-512": ("sasl_ssl", "SCRAM-SHA-512"),
    "iam": ("sasl_ssl", "OAUTHBEARER"),
}

# A running broker accepts a connection within a second, and every client of the gateway waits
# longer than this for an answer.
REQUEST_SECONDS = 5

# librdkafka reports the state of its connections this often.
STATISTICS_SECONDS = 1

# librdkafka's name of a broker, before the reason in an error: ``sasl_ssl://b-1:9096/1: `` or
# ``GroupCoordinator: b-1:9096: ``.
_BROKER = re.compile(r"(?:\w+: )?(?:\w+://)?(?P<address>\S+:\d+)(?:/(?:bootstrap|\d+))?: ")


def client_config(settings: Settings) -> dict[str, Any]:
    """The configuration of every client: brokers, TLS and credentials.

    Args:
        settings: ``kafka_*``; ``aws_region`` for the security 'iam'.

    Raises:
        PlatformError: a setting that the chosen security needs is missing.
    """
    protocol, mechanism = SECURITY[settings.kafka_security]
    config: dict[str, Any] = {
        "bootstrap.servers": settings.kafka_bootstrap,
        "security.protocol": protocol,
        # Looking a topic up must not create it: the gateway does, with the right partitions.
        "allow.auto.create.topics": False,
        # How soon a restarted broker is found; librdkafka's default is 10 s.
        "reconnect.backoff.max.ms": 1000,
        # librdkafka writes a line to stderr for every attempt; ``Brokers`` logs the outage.
        "log_level": 0,
    }
    if settings.kafka_ca is not None:
        if protocol == "plaintext":
            raise PlatformError(
                "PINTEREST_KAFKA_CA needs brokers with TLS: set PINTEREST_KAFKA_SECURITY to tls, "
                "scram-sha-256, scram-sha-512 or iam"
            )
        if not settings.kafka_ca.is_file():
            raise PlatformError(
                "PINTEREST_KAFKA_CA is not a file: set it to the CA's certificates in PEM format"
            )
        config["ssl.ca.location"] = str(settings.kafka_ca)
    if mechanism.startswith("SCRAM"):
        password = settings.kafka_password.get_secret_value()
        if not (settings.kafka_user and password):
            raise PlatformError(
                f"PINTEREST_KAFKA_SECURITY={settings.kafka_security} needs "
                "PINTEREST_KAFKA_USER and PINTEREST_KAFKA_PASSWORD"
            )
        config |= {"sasl.username": settings.kafka_user, "sasl.password": password}
    if mechanism == "OAUTHBEARER":
        if not settings.aws_region:
            raise PlatformError("PINTEREST_KAFKA_SECURITY=iam needs AWS_REGION")
        config["oauth_cb"] = _iam_token(settings.aws_region)
    if mechanism:
        config["sasl.mechanism"] = mechanism
    return config


def sink_group(settings: Settings) -> str:
    """The consumer group of the sinks."""
    return f"{settings.id}-sink"


class Brokers:
    """Logs which brokers a client cannot reach, and keeps the reason for error messages.

    A client reports every failed attempt as an error and the state of its connections once a
    second: an outage of a broker begins with an error and ends with a connection that is up. A
    request can also fail without an error of a broker (a broker that accepts connections and
    never answers). That outage ends once a request has succeeded and a broker is connected.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._outages: dict[str, Outage] = {}
        self._requests = Outage(logger, "Kafka")
        self._request_failed = False
        # Brokers with errors during an outage of requests: part of that outage.
        self._failing: set[str] = set()
        self.reason = ""
        """Why a broker cannot be reached; empty while all can."""

    def config(self) -> dict[str, Any]:
        """The settings of a client whose brokers are watched."""
        return {
            "error_cb": self.on_error,
            "stats_cb": self._on_statistics,
            "statistics.interval.ms": STATISTICS_SECONDS * 1000,
        }

    def on_error(self, error: KafkaError) -> None:
        """Note an error that a client reports."""
        # librdkafka reports the brokers one by one, too, with the reason.
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            return
        reason = reason_of(error)
        named = _BROKER.match(reason)
        with self._lock:
            if named is None:
                self._begin(reason)
                return
            self.reason = reason
            address = named["address"]
            if self._requests.is_on:
                self._failing.add(address)
                return
            outage = self._outages.setdefault(address, Outage(logger, f"broker {address}"))
            outage.begin(reason[named.end() :])

    def request_failed(self, reason: str) -> None:
        """Note a failed request to the brokers."""
        with self._lock:
            self._request_failed = True
            self._begin(reason)

    def request_succeeded(self) -> None:
        """Note a successful request to the brokers."""
        self._request_failed = False
        self.reason = ""

    def _begin(self, reason: str) -> None:
        if not self._outages:
            self._requests.begin(reason)

    def _on_statistics(self, text: str) -> None:
        with self._lock:
            if not (self._outages or self._requests.is_on):
                return
            brokers = json.loads(text)["brokers"].values()
            connected = {broker["nodename"] for broker in brokers if broker["state"] == "UP"}
            for address in [address for address in self._outages if address in connected]:
                self._outages.pop(address).end()
            if connected and self._failing <= connected and not self._request_failed:
                self._requests.end()
                self._failing.clear()
            if not (self._outages or self._requests.is_on):
                self.reason = ""


def reason_of(error: KafkaError) -> str:
    """The reason of an error in one line, without the durations and counts that vary.

    librdkafka's own text is, for example, ``127.0.0.1:9092/bootstrap: Connect to
    ipv4#127.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT, 3 identical
    error(s) suppressed)``.
    """
    return re.sub(r" \(after \d+ms in state .*\)$", "", " ".join(error.str().split()))


def _iam_token(region: str) -> Callable[[str], tuple[str, float]]:
    """The ``oauth_cb`` for MSK: a token signed with credentials of AWS's default chain."""
    # The import takes half a second and an extra; only MSK with IAM needs it.
    from aws_msk_iam_sasl_signer import MSKAuthTokenProvider  # noqa: PLC0415

    def token(_: str) -> tuple[str, float]:
        text, expires_ms = MSKAuthTokenProvider.generate_auth_token(region)
        return text, expires_ms / 1000

    return token
