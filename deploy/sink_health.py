"""The sink's health check: exit code 0 if its consumer group has a member, else 1."""

import sys

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from pinterest_platform.errors import PlatformError
from pinterest_platform.kafka_client import client_config, sink_group
from pinterest_platform.settings import load

# Less than the timeout of the health check, with the imports before it.
ANSWER_SECONDS = 10


def readers() -> int:
    """The number of members of the sinks' consumer group.

    Raises:
        PlatformError: the configuration of Kafka is incomplete.
        KafkaException: the brokers do not answer.
    """
    settings = load()
    group = sink_group(settings)
    client = AdminClient(client_config(settings))
    described = client.describe_consumer_groups([group], request_timeout=ANSWER_SECONDS)
    return len(described[group].result().members)


if __name__ == "__main__":
    try:
        found = readers()
    except (PlatformError, KafkaException) as error:
        sys.exit(f"Unhealthy: {error}")
    sys.exit(0 if found else "Unhealthy: nobody reads the topics for the landing place")
