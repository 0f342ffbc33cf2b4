"""How Kafka is reached, for the gateway that writes to it and the sink that reads from it."""

import logging
import re
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError

from pinterest_platform.errors import PlatformError
from pinterest_platform.settings import Settings

# PINTEREST_KAFKA_SECURITY -> what librdkafka calls it: (security.protocol, sasl.mechanism).
SECURITY = {
    "plaintext": ("plaintext", ""),
    "tls": ("ssl", ""),
    "scram-sha-256": ("sasl_ssl", "SCRAM-SHA-256"),
    "scram-sha-512": ("sasl_ssl", "SCRAM-SHA-512"),
    "iam": ("sasl_ssl", "OAUTHBEARER"),
}

# A broker that is there takes a connection within a second; this is less than any client of ours
# waits for an answer.
REQUEST_SECONDS = 5


def client_config(settings: Settings) -> dict[str, Any]:
    """What every client of confluent-kafka is given: brokers, TLS and credentials.

    Args:
        settings: ``kafka_*``; ``aws_region`` for the security 'iam'.

    Raises:
        PlatformError: a setting that the chosen security needs is missing.
    """
    protocol, mechanism = SECURITY[settings.kafka_security]
    config: dict[str, Any] = {
        "bootstrap.servers": settings.kafka_bootstrap,
        "security.protocol": protocol,
        # Only what is asked for may be made; the gateway makes its topics with their partitions.
        "allow.auto.create.topics": False,
        # A broker that was restarted is found again this soon; librdkafka's own is 10 s.
        "reconnect.backoff.max.ms": 1000,
    }
    if settings.kafka_ca is not None:
        if protocol == "plaintext":
            raise PlatformError(
                "PINTEREST_KAFKA_CA is for brokers with TLS: set PINTEREST_KAFKA_SECURITY to tls, "
                "scram-sha-256, scram-sha-512 or iam"
            )
        if not settings.kafka_ca.is_file():
            raise PlatformError("PINTEREST_KAFKA_CA names no file: give the CA's certificates, PEM")
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


def quiet() -> dict[str, Any]:
    """What keeps librdkafka from logging to standard error what ``error_cb`` is told, too."""
    logger = logging.getLogger("pinterest_platform.kafka_client")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return {"logger": logger}


def reason_of(error: KafkaError) -> str:
    """Why a client's call failed, in one line that is the same each time.

    librdkafka says, for example, ``127.0.0.1:9092/bootstrap: Connect to ipv4#127.0.0.1:9092 failed:
    Connection refused (after 0ms in state CONNECT, 3 identical error(s) suppressed)``.
    """
    return re.sub(r" \(after \d+ms in state .*\)$", "", " ".join(error.str().split()))


def _iam_token(region: str) -> Callable[[str], tuple[str, float]]:
    """What gives a token for MSK, signed by the credentials that AWS's usual chain finds."""
    # Half a second of imports that only who uses MSK with IAM pays.
    from aws_msk_iam_sasl_signer import MSKAuthTokenProvider  # noqa: PLC0415

    def token(_: str) -> tuple[str, float]:
        text, expires_ms = MSKAuthTokenProvider.generate_auth_token(region)
        return text, expires_ms / 1000

    return token
