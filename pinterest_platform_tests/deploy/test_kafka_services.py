"""Gateway and sink with the commands and health checks of compose.yaml, over a real Kafka."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_servers.kafka import Kafka, kafka
from local_servers.spark_connect import NO_JAVA, has_java
from pinterest_platform_tests.deploy.deployment import Deployment, deployment

pytestmark = pytest.mark.skipif(not has_java(), reason=NO_JAVA)

# Variables that compose.yaml requires of every deployment.
REQUIRED = {"POSTGRES_PASSWORD": "unused", "DAGSTER_COMPUTE_LOG_BUCKET": "unused"}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def running(broker: Kafka, tmp_path: Path) -> Iterator[Deployment]:
    given = REQUIRED | {"PINTEREST_KAFKA_BOOTSTRAP": broker.bootstrap}
    with deployment(tmp_path, given, {"PINTEREST_HOME": str(tmp_path / "home")}) as running:
        yield running


def test_the_sink_is_healthy_only_while_it_reads(running: Deployment) -> None:
    assert not running.is_healthy("sink")
    running.start("gateway")
    running.until(lambda: running.is_healthy("gateway"), "a gateway that made its topics")
    running.start("sink")
    running.until(lambda: running.is_healthy("sink"), "a sink that reads")
    running.end("sink")
    assert not running.is_healthy("sink")


def test_a_sink_without_brokers_is_unhealthy(broker: Kafka, running: Deployment) -> None:
    running.start("sink")
    running.until(lambda: running.is_healthy("sink"), "a sink that reads")
    broker.kill()
    assert not running.is_healthy("sink")
