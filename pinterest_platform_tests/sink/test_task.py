"""From a real Kafka to landing objects: every offset in exactly one, whatever is killed."""

import json
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pinterest_platform.sink.chunks import as_line
from pinterest_platform_tests.gateway.conftest import (
    landed,
    objects,
    wait_until,
)
from pinterest_platform_tests.kafka import Kafka, kafka
from pinterest_platform_tests.local_aws import CREDENTIALS, client, running_moto
from pinterest_platform_tests.process import Pinterest
from pinterest_platform_tests.spark_connect import NO_JAVA, has_java

pytestmark = pytest.mark.skipif(not has_java(), reason=NO_JAVA)

# A sink joins its group, reads and writes within seconds; a busy machine takes much longer.
DEADLINE_SECONDS = 120


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


class Sinks:
    """Starts sinks on one landing place and one set of topics; ends them with the test."""

    def __init__(self, home: Path, bootstrap: str, name: str, landing: str) -> None:
        self.pinterest = Pinterest(
            home,
            PINTEREST_KAFKA_BOOTSTRAP=bootstrap,
            PINTEREST_ID=name,
            PINTEREST_LANDING=landing,
        )
        self._stack = ExitStack()

    def start(self, *options: str) -> Any:
        process = self.pinterest.start("sink", *options)
        self._stack.callback(process.communicate)
        self._stack.callback(process.kill)
        return process

    def __enter__(self) -> "Sinks":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def ended(process: Any) -> tuple[int, str, str]:
    """How a sink ended after it was asked to."""
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=DEADLINE_SECONDS)
    return process.returncode, stdout, stderr


def test_every_offset_lands_once_whatever_is_killed(tmp_path: Path) -> None:
    """Three partitions, a producer that does not stop, sinks that are killed, a broker too."""
    topic, landing = "killed.pin", tmp_path / "landing"
    chance = random.Random(7)
    enough = threading.Event()
    (tmp_path / "kafka").mkdir()

    def produce(broker: Kafka) -> None:
        producer = broker.producer(**{"enable.idempotence": True})
        number = 0
        while not enough.is_set():
            producer.produce(topic, json.dumps({"index": number}), partition=number % 3)
            number += 1
            producer.poll(0.002)
        assert producer.flush(DEADLINE_SECONDS) == 0

    with kafka(tmp_path / "kafka") as broker:
        broker.create(topic, 3)
        posting = threading.Thread(target=produce, args=(broker,))
        posting.start()
        with Sinks(tmp_path, broker.bootstrap, "killed", str(landing)) as sinks:
            try:
                for attempt in range(5):
                    sink = sinks.start("--records", "20", "--seconds", "0.2")
                    before = sum(len(landed(landing, topic, number)) for number in range(3))
                    more = chance.randrange(1, 200)
                    wait_until(
                        lambda before=before, more=more: (  # type: ignore[misc]
                            sum(len(landed(landing, topic, number)) for number in range(3))
                            >= before + more
                        )
                    )
                    sink.kill()
                    if attempt == 2:
                        broker.kill()
                        broker.start()
            finally:
                enough.set()
                posting.join()
            last = sinks.start("--records", "20", "--seconds", "0.2")
            for number in range(3):
                wait_until(
                    lambda number=number: (  # type: ignore[misc]
                        len(landed(landing, topic, number)) == len(broker.values(topic, number))
                    )
                )
            assert ended(last)[0] == 0
        for number in range(3):
            assert landed(landing, topic, number) == broker.values(topic, number)
            assert len(landed(landing, topic, number)) > 100
            # The lag that operators watch is none.
            assert broker.committed("killed-sink", topic, number) == len(
                landed(landing, topic, number)
            )


def test_an_object_is_full_by_records_and_what_is_left_goes_when_the_sink_ends(
    broker: Kafka, tmp_path: Path
) -> None:
    topic, landing = "full.pin", tmp_path / "landing"
    broker.create(topic, 1)
    broker.put(topic, [str(number).encode() for number in range(25)])
    with Sinks(tmp_path, broker.bootstrap, "full", str(landing)) as sinks:
        sink = sinks.start("--records", "10", "--seconds", "3600")
        wait_until(lambda: len(landed(landing, topic)) == 20)
        code, stdout, _ = ended(sink)
    assert code == 0
    assert "Landed 25 records in 3 objects" in stdout
    assert {at: content.count(b"\n") for at, content in objects(landing, topic).items()} == {
        0: 10,
        10: 10,
        20: 5,
    }


def test_an_object_is_written_when_its_first_record_waited_long_enough(
    broker: Kafka, tmp_path: Path
) -> None:
    topic, landing = "waited.pin", tmp_path / "landing"
    broker.create(topic, 1)
    with Sinks(tmp_path, broker.bootstrap, "waited", str(landing)) as sinks:
        sinks.start("--seconds", "0.5")
        for number in range(3):
            broker.put(topic, [str(number).encode()])
            wait_until(lambda number=number: len(landed(landing, topic)) == number + 1)  # type: ignore[misc]
    assert list(objects(landing, topic)) == [0, 1, 2]


def test_values_of_every_kind_are_one_line_each(broker: Kafka, tmp_path: Path) -> None:
    topic, landing = "kinds.pin", tmp_path / "landing"
    broker.create(topic, 1)
    put: list[bytes | None] = [
        b'{"index": 1,  "price": 1.10}',
        b'{\n "index": 2,\n "big": 1e400, "text": "a\\nb" }\n',
        b"",
        None,
        b"no JSON",
        b"no\nJSON",
        b"\xff\xfe",
        b"\xff\n",
        b"\r\n",
        b"NaN\n",
        b"[" * 100_000 + b"\n",
    ]
    broker.put(topic, put)
    with Sinks(tmp_path, broker.bootstrap, "kinds", str(landing)) as sinks:
        sinks.start("--seconds", "0.1")
        wait_until(lambda: len(landed(landing, topic)) == len(put))
    assert landed(landing, topic) == [
        b'{"index": 1,  "price": 1.10}',
        b'{"index":2,"big":1e400,"text":"a\\nb"}',
        b"",
        b"null",
        b"no JSON",
        b'"no\\nJSON"',
        b"\xff\xfe",
        b'"\\udcff\\n"',
        b'"\\r\\n"',
        b'"NaN\\n"',
        b'"' + b"[" * 100_000 + b'\\n"',
    ]


def test_what_is_no_line_can_be_had_back() -> None:
    value = bytes(range(256))
    assert json.loads(as_line(value)).encode(errors="surrogateescape") == value


def test_offsets_that_kafka_does_not_have_are_passed_and_told(
    broker: Kafka, tmp_path: Path
) -> None:
    """The marks of transactions, and what retention deleted before it was read."""
    topic, landing = "gaps.pin", tmp_path / "landing"
    broker.create(topic, 1)
    broker.put(topic, [b"0", b"1", b"2", b"3"])
    broker.delete_before(topic, 2)
    for values_, commit in (([b"4", b"5"], True), ([b"lost"], False), ([b"6"], True)):
        producer = broker.producer(**{"transactional.id": "gaps"})
        producer.init_transactions()
        producer.begin_transaction()
        for value in values_:
            producer.produce(topic, value)
        assert producer.flush(DEADLINE_SECONDS) == 0
        producer.commit_transaction() if commit else producer.abort_transaction()
    broker.put(topic, [b"7"])
    with Sinks(tmp_path, broker.bootstrap, "gaps", str(landing)) as sinks:
        sink = sinks.start("--seconds", "0.1")
        last = landing / "topics" / topic / "partition=0" / f"{topic}+0+0000000011.json"
        wait_until(last.exists)
        _, _, told = ended(sink)
    # 6, 8 and 10 are marks, 7 was aborted.
    assert objects(landing, topic) == {2: b"2\n3\n4\n5\n", 9: b"6\n", 11: b"7\n"}
    assert "offsets 6 to 8" in told
    assert "offsets 10 to 10" in told


def test_a_topic_that_was_made_again_is_refused_with_what_to_do(
    broker: Kafka, tmp_path: Path
) -> None:
    topic, landing = "remade.pin", tmp_path / "landing"
    broker.create(topic, 1)
    broker.put(topic, [b"1", b"2", b"3"])
    with Sinks(tmp_path, broker.bootstrap, "remade", str(landing)) as sinks:
        sink = sinks.start("--seconds", "0.1")
        wait_until(lambda: len(landed(landing, topic)) == 3)
        ended(sink)
        broker.delete(topic)
        broker.create(topic, 1)
        broker.put(topic, [b"another"])
        refused = sinks.pinterest("sink")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "end at offset 3, but the topic at 1" in refused.stderr
    assert "PINTEREST_ID" in refused.stderr
    assert landed(landing, topic) == [b"1", b"2", b"3"]


def test_topics_that_are_made_later_are_read(broker: Kafka, tmp_path: Path) -> None:
    topic, landing = "later.pin", tmp_path / "landing"
    with Sinks(tmp_path, broker.bootstrap, "later", str(landing)) as sinks:
        sink = sinks.start("--seconds", "0.1")
        assert "later.pin" in sink.stdout.readline()
        broker.create(topic, 2)
        broker.put(topic, [b"1"], 1)
        wait_until(lambda: landed(landing, topic, 1) == [b"1"])


def test_a_bucket_that_is_away_loses_nothing(broker: Kafka, tmp_path: Path) -> None:
    topic = "bucket.pin"
    broker.create(topic, 1)
    broker.put(topic, [b"1", b"2"])
    with running_moto() as endpoint:
        s3 = client("s3", endpoint)
        with Sinks(tmp_path, broker.bootstrap, "bucket", "s3://landing") as sinks:
            sinks.pinterest.environment |= CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint}
            sink = sinks.start("--seconds", "0.1")
            while "no such bucket" not in sink.stderr.readline():
                assert sink.poll() is None
            s3.create_bucket(Bucket="landing")
            wait_until(lambda: s3.list_objects_v2(Bucket="landing")["KeyCount"] == 1)
        key = f"topics/{topic}/partition=0/{topic}+0+0000000000.json"
        assert s3.get_object(Bucket="landing", Key=key)["Body"].read() == b"1\n2\n"


def test_without_kafka_it_is_said_what_to_set(tmp_path: Path) -> None:
    refused = Pinterest(tmp_path)("sink")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "PINTEREST_KAFKA_BOOTSTRAP" in refused.stderr
