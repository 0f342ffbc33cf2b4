"""Apache Kafka for the tests: one real broker (KRaft) from Maven Central's jars, in a process.

Run as a module, it is that process: it downloads the jars on first use, formats an empty log
folder, and runs the broker until it is stopped.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyspark
import trustme
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from local_servers.kafka_proxy import LossyProxy, lossy_proxy
from pinterest_platform.processes import Process, running

VERSION = "4.1.0"

# A broker starts in 4 to 17 s; the first one downloads 54 MB of jars, and a busy machine is slower.
START_SECONDS = 300

# A broker on one machine answers in milliseconds.
ANSWER_SECONDS = 30

USER, PASSWORD = "writer", "swordfish"

_CLUSTER = "4L6g3nShT-eMCtK--X86sw"

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={advertised}
listener.security.protocol.map=\
PLAINTEXT:PLAINTEXT,LOSSY:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
log.dirs={folder}/log
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=1000
sasl.enabled.mechanisms=SCRAM-SHA-512
{more}
"""

_WARNINGS = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"

_TLS = """\
ssl.keystore.type=PEM
ssl.keystore.location={folder}/server.pem
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
"""


@dataclass(frozen=True)
class _Ports:
    plaintext: int
    tls: int
    scram: int
    controller: int
    lossy: int
    lossy_proxy: int


class Kafka:
    """A broker that can be killed and restarted at the same address, with its data."""

    def __init__(self, folder: Path, certificate: trustme.LeafCert | None = None) -> None:
        self.folder = folder
        self._ports = _Ports(*_free_ports(6))
        self._running = ExitStack()
        self._process: Process | None = None
        self._write_properties(certificate)

    @property
    def bootstrap(self) -> str:
        """The address of the listener without TLS."""
        return f"127.0.0.1:{self._ports.plaintext}"

    @property
    def tls(self) -> str:
        """The address of the TLS listener that requires no credentials."""
        return f"127.0.0.1:{self._ports.tls}"

    @property
    def scram(self) -> str:
        """The address of the TLS listener that requires ``USER`` and ``PASSWORD``."""
        return f"127.0.0.1:{self._ports.scram}"

    @contextmanager
    def lossy(self) -> Iterator[LossyProxy]:
        """A proxy before the broker, without TLS, that can lose its answers."""
        with lossy_proxy(self._ports.lossy_proxy, self._ports.lossy) as proxy:
            yield proxy

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def start(self) -> None:
        """Start the broker, and wait until it answers."""
        self._process = self._running.enter_context(
            running("Apache Kafka", __name__, str(self.folder))
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.exit_code() is None, self._process.last_words()
            assert time.monotonic() < deadline, self._process.last_words()

    def _answers(self) -> bool:
        try:
            self.admin().list_topics(timeout=1)
        except KafkaException:
            return False
        return True

    def stop(self) -> None:
        """Shut the broker down."""
        self._running.close()

    def kill(self) -> None:
        """Kill the broker with SIGKILL."""
        assert self._process
        os.killpg(self._process.pid, 9)
        self._running.close()

    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def create(self, topic: str, partitions: int, **config: str) -> None:
        """Create a topic."""
        new_topic = NewTopic(
            topic, partitions, 1, config={name.replace("_", "."): v for name, v in config.items()}
        )
        admin = self.admin()
        admin.create_topics([new_topic])[topic].result(ANSWER_SECONDS)
        deadline = time.monotonic() + ANSWER_SECONDS
        while len(admin.list_topics(topic).topics[topic].partitions) < partitions:
            assert time.monotonic() < deadline

    def delete(self, topic: str) -> None:
        """Delete a topic, and wait until it is gone."""
        admin = self.admin()
        admin.delete_topics([topic])[topic].result(ANSWER_SECONDS)
        deadline = time.monotonic() + ANSWER_SECONDS
        while topic in admin.list_topics().topics:
            assert time.monotonic() < deadline

    def delete_before(self, topic: str, offset: int, partition: int = 0) -> None:
        """Delete the first records of a partition, as retention does."""
        admin = self.admin()
        until = TopicPartition(topic, partition, offset)
        deleted = admin.delete_records([until], request_timeout=ANSWER_SECONDS)
        deleted[until].result(ANSWER_SECONDS)

    def producer(self, **config: Any) -> Producer:
        return Producer({"bootstrap.servers": self.bootstrap, "log_level": 0} | config)

    def put(self, topic: str, values: list[bytes | None], partition: int = 0) -> None:
        """Append values to a partition, in their order."""
        producer = self.producer(**{"enable.idempotence": True})
        for value in values:
            producer.produce(topic, value, partition=partition)
        assert producer.flush(ANSWER_SECONDS) == 0

    def records(
        self, topic: str, partition: int = 0
    ) -> dict[int, tuple[bytes | None, bytes | None]]:
        """All records of a partition: offset -> (key, value)."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "tests",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            }
        )
        consumer.assign([TopicPartition(topic, partition, 0)])
        found: dict[int, tuple[bytes | None, bytes | None]] = {}
        try:
            while True:
                message = consumer.poll(ANSWER_SECONDS)
                assert message is not None
                if message.error():
                    return found
                found[int(message.offset() or 0)] = (message.key(), message.value())
        finally:
            consumer.close()

    def values(self, topic: str, partition: int = 0) -> list[bytes | None]:
        """The values of a partition, in the order of their offsets."""
        return [value for _, value in self.records(topic, partition).values()]

    def committed(self, group: str, topic: str, partition: int = 0) -> int:
        """The offset that a group has committed; negative if there is none."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group})
        try:
            (found,) = consumer.committed([TopicPartition(topic, partition)], ANSWER_SECONDS)
            return int(found.offset)
        finally:
            consumer.close()

    def _write_properties(self, certificate: trustme.LeafCert | None) -> None:
        listeners = [f"PLAINTEXT://{self.bootstrap}"]
        if certificate:
            listeners += [f"SSL://{self.tls}", f"SASL_SSL://{self.scram}"]
            (self.folder / "server.pem").write_bytes(_as_java_reads_it(certificate))
        properties = _PROPERTIES.format(
            folder=self.folder,
            controller=self._ports.controller,
            listeners=",".join([*listeners, f"LOSSY://127.0.0.1:{self._ports.lossy}"]),
            advertised=",".join([*listeners, f"LOSSY://127.0.0.1:{self._ports.lossy_proxy}"]),
            more=_TLS.format(folder=self.folder) if certificate else "",
        )
        (self.folder / "server.properties").write_text(properties)


@contextmanager
def kafka(folder: Path, certificate: trustme.LeafCert | None = None) -> Iterator[Kafka]:
    """A broker with its data in a folder; with a certificate, it also serves TLS."""
    with Kafka(folder, certificate) as broker:
        yield broker


def _as_java_reads_it(certificate: trustme.LeafCert) -> bytes:
    """The key in PKCS #8, the only form that Java reads, and the certificate."""
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pkcs8 + certificate.cert_chain_pems[0].bytes()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [found.getsockname()[1] for found in sockets]


def _classpath() -> str:
    """The class path of Kafka, and of a logger that writes to standard error."""
    return ":".join(
        (
            _fetched("org.apache.kafka", "kafka_2.13", VERSION),
            _fetched("org.slf4j", "slf4j-simple", "1.7.36"),
        )
    )


def _fetched(organisation: str, name: str, version: str) -> str:
    """The class path of a package from Maven Central, downloaded once by Spark's own Ivy."""
    path = Path.home() / ".cache" / "pinterest_platform_tests" / f"{name}-{version}.classpath"
    if not path.exists() or not all(map(os.path.exists, path.read_text().strip().split(":"))):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        ivy = [f"{Path(pyspark.__file__).parent}/jars/*", "org.apache.ivy.Main", "-warn"]
        what = ["-dependency", organisation, name, version, "-confs", "default"]
        subprocess.run(["java", "-cp", *ivy, *what, "-cachepath", str(new)], check=True)
        new.replace(path)
    return path.read_text().strip()


def _serve(folder: Path) -> None:
    classpath = _classpath()
    properties = str(folder / "server.properties")
    if not (folder / "log").exists():
        scram = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
        formatting = ["format", "--cluster-id", _CLUSTER, "--config", properties]
        subprocess.run(
            [
                "java",
                "-cp",
                classpath,
                "kafka.tools.StorageTool",
                *formatting,
                "--add-scram",
                scram,
            ],
            check=True,
        )
    sys.exit(
        subprocess.run(
            ["java", "-Xmx512m", _WARNINGS, "-cp", classpath, "kafka.Kafka", properties],
            check=False,
        ).returncode
    )


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
