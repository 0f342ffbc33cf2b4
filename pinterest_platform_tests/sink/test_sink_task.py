"""A real Kafka to landing objects: every offset in exactly one object, whatever is killed."""

import json
import random
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_servers.kafka import Kafka, kafka
from local_servers.spark_connect import NO_JAVA, has_java
from pinterest_platform.sink.writer import as_line
from pinterest_platform_tests.gateway.conftest import (
    landed,
    objects,
    wait_until,
)
from pinterest_platform_tests.local_aws import CREDENTIALS, client, running_moto
from pinterest_platform_tests.process import Pinterest

pytestmark = pytest.mark.skipif(not has_java(), reason=NO_JAVA)

# A sink joins its group, reads and writes within seconds; a busy machine takes much longer.
DEADLINE_SECONDS = 120


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


class RunningSink:
    """A sink process and its output, which goes to a file: a full pipe would stop it."""

    def __init__(self, pinterest: Pinterest, output: Path, *options: str) -> None:
        self.process = pinterest.start("sink", *options, output=output)
        self._output = output

    def output(self) -> str:
        return self._output.read_text()

    def log(self, text: str) -> list[str]:
        """The level and message of each log line that contains a text."""
        lines = re.findall(r"^\S+ \S+ ([A-Z]+) [\w.]+: (.*)$", self.output(), re.MULTILINE)
        return [f"{level} {message}" for level, message in lines if text in message]

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until the output contains a text so many times."""
        wait_until(lambda: self.output().count(text) >= times)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Stop it as an operator does; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_SECONDS)


class Sinks:
    """Starts sinks on one landing place and one set of topics; ends them with the test."""

    def __init__(self, home: Path, bootstrap: str, name: str, landing: str) -> None:
        self.pinterest = Pinterest(
            home,
            PINTEREST_KAFKA_BOOTSTRAP=bootstrap,
            PINTEREST_ID=name,
            PINTEREST_LANDING=landing,
        )
        self._started: list[RunningSink] = []

    def start(self, *options: str) -> RunningSink:
        output = self.pinterest.home / f"sink-{len(self._started)}.log"
        self._started.append(RunningSink(self.pinterest, output, *options))
        return self._started[-1]

    def __enter__(self) -> "Sinks":
        return self

    def __exit__(self, *_: object) -> None:
        for sink in self._started:
            sink.kill()


def test_every_offset_lands_once_whatever_is_killed(tmp_path: Path) -> None:
    """Three partitions, a producer that never stops; sinks and the broker are killed."""
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
                        lambda before=before, more=more: (
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
                    lambda number=number: (
                        len(landed(landing, topic, number)) == len(broker.values(topic, number))
                    )
                )
            assert last.stop() == 0
        for number in range(3):
            assert landed(landing, topic, number) == broker.values(topic, number)
            assert len(landed(landing, topic, number)) > 100
            # Monitoring sees no lag.
            assert broker.committed("killed-sink", topic, number) == len(
                landed(landing, topic, number)
            )


def test_an_object_is_rotated_by_records_and_the_rest_is_written_when_the_sink_stops(
    broker: Kafka, tmp_path: Path
) -> None:
    topic, landing = "full.pin", tmp_path / "landing"
    broker.create(topic, 1)
    broker.put(topic, [str(number).encode() for number in range(25)])
    with Sinks(tmp_path, broker.bootstrap, "full", str(landing)) as sinks:
        sink = sinks.start("--records", "10", "--seconds", "3600")
        wait_until(lambda: len(landed(landing, topic)) == 20)
        assert sink.stop() == 0
    assert "Landed 25 records in 3 objects" in sink.output()
    folder = f"topics/{topic}/partition=0/{topic}+0+"
    assert sink.log("rotated") == [
        f"INFO rotated {folder}0000000000.json, reason: records, records: 10, bytes: 20",
        f"INFO rotated {folder}0000000010.json, reason: records, records: 10, bytes: 30",
        f"INFO rotated {folder}0000000020.json, reason: stop, records: 5, bytes: 15",
    ]
    assert {at: content.count(b"\n") for at, content in objects(landing, topic).items()} == {
        0: 10,
        10: 10,
        20: 5,
    }


def test_an_object_is_rotated_when_its_first_record_has_waited_long_enough(
    broker: Kafka, tmp_path: Path
) -> None:
    topic, landing = "waited.pin", tmp_path / "landing"
    broker.create(topic, 1)
    with Sinks(tmp_path, broker.bootstrap, "waited", str(landing)) as sinks:
        sink = sinks.start("--seconds", "0.5")
        for number in range(3):
            broker.put(topic, [str(number).encode()])
            wait_until(lambda number=number: len(landed(landing, topic)) == number + 1)
        sink.stop()
    assert list(objects(landing, topic)) == [0, 1, 2]
    assert len(sink.log("reason: seconds")) == 3


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


def test_a_value_that_becomes_a_json_string_can_be_restored() -> None:
    value = bytes(range(256))
    assert json.loads(as_line(value)).encode(errors="surrogateescape") == value


def test_a_gap_in_the_offsets_is_skipped_and_logged(broker: Kafka, tmp_path: Path) -> None:
    """Markers of transactions, and records that retention deleted before they were read."""
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
        newest = landing / "topics" / topic / "partition=0" / f"{topic}+0+0000000011.json"
        wait_until(newest.exists)
        sink.stop()
    # 6, 8 and 10 are markers, 7 was aborted.
    assert objects(landing, topic) == {2: b"2\n3\n4\n5\n", 9: b"6\n", 11: b"7\n"}
    assert [line.partition(" of partition")[0] for line in sink.log("gap: ")] == [
        "WARNING gap: offsets 6 to 8",
        "WARNING gap: offsets 10 to 10",
    ]
    assert sink.log("assigned") == [f"INFO assigned {topic}-0 from offset 2"]
    assert sink.log("revoked") == [f"INFO revoked {topic}-0"]


def test_a_recreated_topic_is_an_error(broker: Kafka, tmp_path: Path) -> None:
    topic, landing = "remade.pin", tmp_path / "landing"
    broker.create(topic, 1)
    broker.put(topic, [b"1", b"2", b"3"])
    with Sinks(tmp_path, broker.bootstrap, "remade", str(landing)) as sinks:
        sink = sinks.start("--seconds", "0.1")
        wait_until(lambda: len(landed(landing, topic)) == 3)
        sink.stop()
        broker.delete(topic)
        broker.create(topic, 1)
        broker.put(topic, [b"another"])
        refused = sinks.pinterest("sink")
    assert refused.returncode == 1
    error = refused.stderr.splitlines()[-1]
    assert error.startswith("Error: the landing objects of partition 0 of remade.pin")
    assert "end at offset 3, but the topic at 1" in error
    assert "PINTEREST_ID" in error
    assert landed(landing, topic) == [b"1", b"2", b"3"]


def test_a_topic_that_is_created_later_is_read(broker: Kafka, tmp_path: Path) -> None:
    topic, landing = "later.pin", tmp_path / "landing"
    with Sinks(tmp_path, broker.bootstrap, "later", str(landing)) as sinks:
        sink = sinks.start("--seconds", "0.1")
        sink.wait_for(f"topic {topic} is unavailable")
        broker.create(topic, 2)
        broker.put(topic, [b"1"], 1)
        wait_until(lambda: landed(landing, topic, 1) == [b"1"])
        again = seconds_removed(sink.log(f"topic {topic}"))
    assert again == [
        f"WARNING topic {topic} is unavailable: it does not exist; waiting for the gateway to "
        "create it",
        f"INFO topic {topic} is available again after S s",
    ]


def seconds_removed(lines: list[str]) -> list[str]:
    return [re.sub(r"after \d+\.\d s$", "after S s", line) for line in lines]


def test_every_outage_of_the_broker_is_one_line_and_its_end_another(tmp_path: Path) -> None:
    topic, landing = "outage.pin", tmp_path / "landing"
    (tmp_path / "kafka").mkdir()
    with (
        kafka(tmp_path / "kafka") as broker,
        Sinks(tmp_path, broker.bootstrap, "outage", str(landing)) as sinks,
    ):
        broker.create(topic, 1)
        sink = sinks.start("--seconds", "0.1")
        for outage in (1, 2):
            broker.put(topic, [b"1"])
            wait_until(lambda outage=outage: len(landed(landing, topic)) == outage)
            broker.kill()
            sink.wait_for(f"broker {broker.bootstrap} is unavailable", outage)
            broker.start()
            sink.wait_for(f"broker {broker.bootstrap} is available again", outage)
        lines = seconds_removed(sink.log("available"))
    begun = (
        f"WARNING broker {broker.bootstrap} is unavailable: Connect to ipv4#{broker.bootstrap} "
        "failed: Connection refused"
    )
    ended = f"INFO broker {broker.bootstrap} is available again after S s"
    about_brokers = [line for line in lines if "topic" not in line]
    assert about_brokers == [begun, ended, begun, ended]


def test_every_outage_of_the_landing_place_is_one_line_and_its_end_another(
    broker: Kafka, tmp_path: Path
) -> None:
    topic, landing = "disk.pin", tmp_path / "landing"
    broker.create(topic, 1)
    with Sinks(tmp_path, broker.bootstrap, "disk", str(landing)) as sinks:
        sink = sinks.start("--seconds", "0.1")
        for outage in (1, 2):
            broker.put(topic, [b"1"])
            wait_until(lambda outage=outage: len(landed(landing, topic)) == 2 * outage - 1)
            (landing / "topics").rename(landing / "aside")
            (landing / "topics").write_text("not a folder")
            broker.put(topic, [b"2"])
            sink.wait_for("the landing place is unavailable", outage)
            (landing / "topics").unlink()
            (landing / "aside").rename(landing / "topics")
            sink.wait_for("the landing place is available again", outage)
            wait_until(lambda outage=outage: len(landed(landing, topic)) == 2 * outage)
        lines = seconds_removed(sink.log("the landing place is"))
    assert [line.partition(":")[0] for line in lines] == [
        "WARNING the landing place is unavailable",
        "INFO the landing place is available again after S s",
    ] * 2
    assert all("Not a directory" in line for line in lines[::2])


def test_a_missing_bucket_loses_nothing(broker: Kafka, tmp_path: Path) -> None:
    topic = "bucket.pin"
    broker.create(topic, 1)
    broker.put(topic, [b"1", b"2"])
    with running_moto() as endpoint:
        s3 = client("s3", endpoint)
        with Sinks(tmp_path, broker.bootstrap, "bucket", "s3://landing") as sinks:
            sinks.pinterest.environment |= CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint}
            sink = sinks.start("--seconds", "0.1")
            sink.wait_for("no such bucket")
            s3.create_bucket(Bucket="landing")
            wait_until(lambda: s3.list_objects_v2(Bucket="landing")["KeyCount"] == 1)
        key = f"topics/{topic}/partition=0/{topic}+0+0000000000.json"
        assert s3.get_object(Bucket="landing", Key=key)["Body"].read() == b"1\n2\n"


def test_without_kafka_the_error_names_the_setting(tmp_path: Path) -> None:
    refused = Pinterest(tmp_path)("sink")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "PINTEREST_KAFKA_BOOTSTRAP" in refused.stderr
