"""Two sinks on one topic: in one group, and in two groups, where both own every partition."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_servers.kafka import Kafka, kafka
from local_servers.spark_connect import NO_JAVA, has_java
from pinterest_platform.ingest.landing.objects import open_objects
from pinterest_platform.object_store import open_store
from pinterest_platform.sink.sink_task import SinkTask
from pinterest_platform.sink.writer import RotationPolicy
from pinterest_platform_tests.gateway.conftest import landed, wait_until

pytestmark = pytest.mark.skipif(not has_java(), reason=NO_JAVA)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


class Sharing:
    """Two sinks in this process on one topic; they end with the block."""

    def __init__(self, broker: Kafka, topic: str, groups: tuple[str, str], landing: Path) -> None:
        self.broker, self.topic, self.groups, self.landing = broker, topic, groups, landing
        self.partitions = range(4)
        self.produced = 0
        """How many records each partition has."""
        broker.create(topic, len(self.partitions))
        store = open_store(str(landing), create=True)
        self.sinks = [
            SinkTask(
                {"bootstrap.servers": broker.bootstrap, "log_level": 0},
                group,
                [topic],
                open_objects(store),
                policy=RotationPolicy(records=7, seconds=0.2),
            )
            for group in groups
        ]
        self._threads: dict[SinkTask, threading.Thread] = {}

    def __enter__(self) -> "Sharing":
        return self

    def __exit__(self, *_: object) -> None:
        for sink in list(self._threads):
            self.end(sink)

    def start(self, sink: SinkTask) -> None:
        self._threads[sink] = threading.Thread(target=sink.run)
        self._threads[sink].start()

    def end(self, sink: SinkTask) -> None:
        sink.stop()
        self._threads.pop(sink).join()

    def burst(self, records: int = 10) -> None:
        """Put records into each partition."""
        for partition in self.partitions:
            lines: list[bytes | None] = [
                f"{self.produced + index}".encode() for index in range(records)
            ]
            self.broker.put(self.topic, lines, partition)
        self.produced += records

    def until_landed(self) -> None:
        """Wait until all records are in the landing place, once and in order."""
        for partition in self.partitions:
            wait_until(
                lambda partition=partition: (
                    len(landed(self.landing, self.topic, partition)) == self.produced
                )
            )
            assert landed(self.landing, self.topic, partition) == self.broker.values(
                self.topic, partition
            )

    def committed(self, group: str) -> list[int]:
        return [self.broker.committed(group, self.topic, number) for number in self.partitions]


def test_sinks_of_a_group_share_partitions_and_take_over_those_of_one_that_ends(
    broker: Kafka, tmp_path: Path
) -> None:
    group = "shared"
    with Sharing(broker, "shared.pin", (group, group), tmp_path / "landing") as sharing:
        first, second = sharing.sinks
        sharing.start(first)
        sharing.burst()
        sharing.until_landed()
        sharing.start(second)

        def both_write() -> bool:
            sharing.burst()
            return second.landed.records > 0

        wait_until(both_write)
        sharing.until_landed()
        # No sink commits for a partition that it has lost: the lag would return.
        for partition in sharing.partitions:
            sharing.broker.put(sharing.topic, [b"more"], partition)
            wait_until(
                lambda partition=partition: (
                    sharing.committed(group)[partition] == sharing.produced + 1
                )
            )
            assert set(sharing.committed(group)) <= {sharing.produced, sharing.produced + 1}
        sharing.produced += 1
        alone = first.landed.records
        sharing.end(second)
        sharing.burst()
        sharing.until_landed()
        assert first.landed.records - alone == 10 * len(sharing.partitions)
        assert first.landed.records + second.landed.records == (
            sharing.produced * len(sharing.partitions)
        )


def test_two_sinks_that_both_own_a_partition_write_each_offset_once(
    broker: Kafka, tmp_path: Path
) -> None:
    """As after a pause so long that another sink took over; here two groups stand in for it."""
    groups = ("theirs-one", "theirs-other")
    with Sharing(broker, "theirs.pin", groups, tmp_path / "landing") as sharing:
        for sink in sharing.sinks:
            sharing.start(sink)

        def both_write() -> bool:
            sharing.burst()
            # They commit after each write, also after a collision.
            return all(min(sharing.committed(group)) > 0 for group in groups)

        wait_until(both_write)
        # The slower sink mostly collides: it gets records once the faster one has ended.
        slower, faster = sorted(sharing.sinks, key=lambda sink: sink.landed.records)
        sharing.end(faster)
        sharing.burst()
        sharing.until_landed()
    assert slower.landed.records > 0
    assert slower.landed.records + faster.landed.records == (
        sharing.produced * len(sharing.partitions)
    )
