"""The gateway in front of a real Kafka: acknowledged records are in the topic."""

import asyncio
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from local_servers.kafka import PASSWORD, USER, Kafka, kafka
from local_servers.spark_connect import NO_JAVA, has_java
from pinterest_platform.gateway.errors import RestError
from pinterest_platform.gateway.kafka import KafkaTopics
from pinterest_platform.gateway.topic_bodies import Record
from pinterest_platform_tests.gateway.conftest import PIN, Gateway, transitions, wait_until

pytestmark = pytest.mark.skipif(not has_java(), reason=NO_JAVA)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[Kafka]:
    issued = authority.issue_cert("127.0.0.1")
    with kafka(tmp_path_factory.mktemp("kafka"), issued) as broker:
        yield broker


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


@contextmanager
def gateway(bootstrap: str, *options: str, **settings: str) -> Iterator[Gateway]:
    """A gateway with its topics in Kafka, and with an unusable landing place."""
    with Gateway("/dev/null", *options, PINTEREST_KAFKA_BOOTSTRAP=bootstrap, **settings) as found:
        yield found


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def test_an_answer_has_the_partition_and_offset_where_the_record_is(broker: Kafka) -> None:
    with gateway(broker.bootstrap, "--partitions", "3", PINTEREST_ID="answer") as found:
        records: list[dict[str, Any]] = [
            {"value": {"index": 1, "text": "größer 🎉"}, "partition": 2},
            {"value": {"index": 2}, "key": {"a": 1}},
            {"value": [1.10, None]},
            {"value": {"index": 2, "again": True}, "key": {"a": 1}},
        ]
        answers = [
            found.post(records, "answer.pin").json()["offsets"],
            found.post(records, "answer.pin").json()["offsets"],
        ]
    kept = {partition: broker.records("answer.pin", partition) for partition in range(3)}
    assert sum(len(found) for found in kept.values()) == 8
    for answer in answers:
        placed = [kept[at["partition"]][at["offset"]] for at in answer]
        assert placed == [
            (None, '{"index":1,"text":"größer 🎉"}'.encode()),
            (b'{"a":1}', b'{"index":2}'),
            (None, b"[1.1,null]"),
            (b'{"a":1}', b'{"index":2,"again":true}'),
        ]
    assert [answer[0]["partition"] for answer in answers] == [2, 2]
    # Records with one key share a partition; records without a key change it with each request.
    assert len({answer[index]["partition"] for answer in answers for index in (1, 3)}) == 1
    assert answers[0][2]["partition"] != answers[1][2]["partition"]


def test_topics_are_created_once_with_the_requested_partitions(broker: Kafka) -> None:
    def health(number: int) -> int:
        with gateway(broker.bootstrap, "--partitions", str(number), PINTEREST_ID="made") as found:
            assert found.get("/health").status_code == 200
            partitions = found.get("/topics/made.geo").json()["partitions"]
            return len(partitions)

    assert health(3) == 3
    assert health(5) == 3
    built = broker.admin().list_topics().topics
    assert {len(built[f"made.{kind}"].partitions) for kind in ("pin", "geo", "user")} == {3}


def test_a_missing_partition_is_a_404(broker: Kafka) -> None:
    with gateway(broker.bootstrap, PINTEREST_ID="lost") as found:
        answer = found.post([{"value": 1, "partition": 1}], "lost.pin")
    assert (answer.status_code, answer.json()["error_code"]) == (404, 40402)


def test_a_record_larger_than_the_topic_allows_is_a_413(broker: Kafka) -> None:
    broker.create("small.pin", 1, max_message_bytes="1000")
    with gateway(broker.bootstrap, PINTEREST_ID="small") as found:
        answer = found.post([{"value": "x"}, {"value": str(list(range(5000)))}], "small.pin")
        assert answer.status_code == 413
        assert "max.message.bytes" in answer.json()["message"]
        assert found.post([{"value": "y"}], "small.pin").status_code == 200


def test_a_recreated_topic_takes_records_again(broker: Kafka) -> None:
    with gateway(broker.bootstrap, PINTEREST_ID="again") as found:
        first = found.post([{"value": 1}, {"value": 2}], "again.pin")
        assert first.json()["offsets"][1] == {"offset": 1, "partition": 0}
        broker.delete("again.pin")
        broker.create("again.pin", 1)
        wait_until(lambda: found.post([{"value": 3}], "again.pin").status_code == 200)
    assert set(broker.records("again.pin").values()) == {(None, b"3")}


def test_the_partitions_of_a_recreated_topic_are_counted_again(broker: Kafka) -> None:
    with gateway(broker.bootstrap, "--partitions", "3", PINTEREST_ID="fewer") as found:
        assert found.post([{"value": 1, "partition": 2}], "fewer.pin").status_code == 200
        broker.delete("fewer.pin")
        broker.create("fewer.pin", 1)
        to_the_third = [{"value": 2, "partition": 2}]
        wait_until(lambda: found.post(to_the_third, "fewer.pin").status_code == 404)
        for _ in range(3):
            assert found.post([{"value": 3}], "fewer.pin").status_code == 200
    assert list(broker.records("fewer.pin").values()) == [(None, b"3")] * 3


def test_a_missing_broker_is_a_503_with_the_reason_and_one_line_in_the_log() -> None:
    nowhere = f"127.0.0.1:{unused_port()}"
    with gateway(nowhere) as found:
        answers = [found.post([{"value": 1}]), found.post([{"value": 1}]), found.get("/health")]
        found.terminate()
        code, _, stderr = found.output()
    assert {answer.status_code for answer in answers} == {503}
    assert {answer.json()["error_code"] for answer in answers} == {50302}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
    assert all("PINTEREST_KAFKA_" in answer.json()["message"] for answer in answers)
    assert all("refused" in answer.json()["message"] for answer in answers)
    assert code == 0
    assert stderr.count("refused") == 1
    assert transitions(stderr) == [f"WARNING broker {nowhere} is unavailable"]


def test_every_outage_of_the_broker_is_one_line_and_its_end_another(tmp_path: Path) -> None:
    with kafka(tmp_path) as broker, gateway(broker.bootstrap) as found:
        assert found.get("/health").status_code == 200
        for ended in (1, 2):
            broker.kill()
            assert {found.get("/health").status_code for _ in range(2)} == {503}
            broker.start()
            wait_until(lambda: found.post([{"value": 1}]).status_code == 200)
            wait_until(lambda ended=ended: found.log().count("is available again") == ended)
        found.terminate()
        _, _, stderr = found.output()
    created = [
        f"INFO created topic pinterest.{kind}, partitions" for kind in ("pin", "geo", "user")
    ]
    lines = transitions(stderr)
    assert lines[:3] == created
    # A failed request may be noticed before the closed connection that made it fail.
    outage = ["WARNING broker is unavailable", "INFO broker is available again"]
    named = f"Kafka|broker {broker.bootstrap}"
    assert [re.sub(named, "broker", line) for line in lines[3:]] == outage * 2


def test_a_record_that_is_not_acknowledged_in_time_is_a_504(tmp_path: Path) -> None:
    async def again(topics: KafkaTopics) -> int:
        while True:
            try:
                (offset,) = await topics.append(PIN, 0, [Record(b"3", None, None)])
            except RestError:
                continue
            return offset

    async def append(broker: Kafka) -> None:
        topics = KafkaTopics({"bootstrap.servers": broker.bootstrap}, [PIN], 1, delivery_seconds=1)
        assert await topics.partitions(PIN) == 1
        assert await topics.append(PIN, 0, [Record(b"1", None, None)]) == [0]
        await asyncio.to_thread(broker.kill)
        with pytest.raises(RestError, match="did not acknowledge within 1 s") as late:
            await topics.append(PIN, 0, [Record(b"2", None, None)])
        assert (late.value.status, late.value.code) == (504, 50401)
        await asyncio.to_thread(broker.start)
        # The refused record may or may not be in the topic; the acknowledged one is.
        offset = await again(topics)
        await topics.close()
        assert broker.records(PIN)[offset] == (None, b"3")

    with kafka(tmp_path) as broker:
        asyncio.run(append(broker))


def test_acknowledged_records_are_in_the_topic_whatever_is_killed(tmp_path: Path) -> None:
    acknowledged: dict[tuple[int, int], str] = {}
    refused: list[int] = []
    enough = threading.Event()

    def post(found: Gateway, poster: int) -> None:
        number = 0
        while not enough.is_set():
            value = f"{poster}-{number}"
            number += 1
            try:
                answer = found.post([{"value": value}])
            except requests.RequestException:
                continue
            if answer.status_code == 200:
                (at,) = answer.json()["offsets"]
                assert (at["partition"], at["offset"]) not in acknowledged
                acknowledged[at["partition"], at["offset"]] = value
            else:
                refused.append(answer.status_code)

    with kafka(tmp_path) as broker, gateway(broker.bootstrap, "--partitions", "3") as found:
        posters = [threading.Thread(target=post, args=(found, poster)) for poster in range(4)]
        for poster in posters:
            poster.start()
        for _ in range(2):
            before = len(acknowledged)
            wait_until(lambda before=before: len(acknowledged) > before + 200)
            broker.kill()
            broker.start()
        before = len(acknowledged)
        wait_until(lambda: len(acknowledged) > before + 200)
        enough.set()
        for poster in posters:
            poster.join()
        kept = {partition: broker.records(PIN, partition) for partition in range(3)}
    assert {at: kept[at[0]][at[1]][1] for at in acknowledged} == {
        at: json.dumps(value).encode() for at, value in acknowledged.items()
    }
    # The producer's own retries add no record twice.
    values = [value for records in kept.values() for _, value in records.values()]
    assert len(values) == len(set(values))
    assert set(refused) <= {503, 504}


def test_a_lost_acknowledgement_duplicates_no_record(broker: Kafka) -> None:
    with (
        broker.lossy() as network,
        gateway(network.bootstrap, PINTEREST_ID="lossy") as found,
    ):
        answers = [found.post([{"value": 0}], "lossy.pin")]
        for value in (1, 2):
            network.lose_next(value)
            answers.append(found.post([{"value": value}, {"value": -value}], "lossy.pin"))
        answers.append(found.post([{"value": 3}], "lossy.pin"))
        assert network.lost == 3
    offsets = [at["offset"] for answer in answers for at in answer.json()["offsets"]]
    assert offsets == list(range(6))
    assert broker.values("lossy.pin") == [b"0", b"1", b"-1", b"2", b"-2", b"3"]


def test_a_broker_with_tls_and_a_password_takes_records(broker: Kafka, ca: str) -> None:
    settings = {
        "PINTEREST_KAFKA_SECURITY": "scram-sha-512",
        "PINTEREST_KAFKA_USER": USER,
        "PINTEREST_KAFKA_PASSWORD": PASSWORD,
        "PINTEREST_KAFKA_CA": ca,
        "PINTEREST_ID": "scram",
    }
    with gateway(broker.scram, **settings) as found:
        assert found.post([{"value": 1}], "scram.pin").status_code == 200
    with gateway(
        broker.tls,
        PINTEREST_KAFKA_SECURITY="tls",
        PINTEREST_KAFKA_CA=ca,
        PINTEREST_ID="scram",
    ) as found:
        assert found.post([{"value": 2}], "scram.pin").status_code == 200
    assert [value for _, value in broker.records("scram.pin").values()] == [b"1", b"2"]


def test_a_wrong_password_is_an_error_that_does_not_show_it(broker: Kafka, ca: str) -> None:
    with gateway(
        broker.scram,
        PINTEREST_KAFKA_SECURITY="scram-sha-512",
        PINTEREST_KAFKA_USER=USER,
        PINTEREST_KAFKA_PASSWORD="marlin",
        PINTEREST_KAFKA_CA=ca,
    ) as found:
        answer = found.post([{"value": 1}])
        found.terminate()
        _, stdout, stderr = found.output()
    assert answer.status_code == 503
    assert "authentication" in answer.json()["message"].lower()
    assert "marlin" not in answer.text + stdout + stderr


def test_a_certificate_of_an_unknown_authority_is_refused(broker: Kafka, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    with gateway(
        broker.tls, PINTEREST_KAFKA_SECURITY="tls", PINTEREST_KAFKA_CA=str(stranger)
    ) as found:
        answer = found.post([{"value": 1}])
    assert answer.status_code == 503
    assert "certificate" in answer.json()["message"]


def test_a_foreign_topic_is_a_404_as_without_kafka(broker: Kafka) -> None:
    broker.create("else.where", 1)
    with gateway(broker.bootstrap) as found:
        answer = found.post([{"value": 1}], "else.where")
    assert (answer.status_code, answer.json()["error_code"]) == (404, 40401)
    assert broker.records("else.where") == {}
