"""Acknowledged records are in the landing objects at their offset, once, whatever happens."""

import asyncio
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from pinterest_platform.errors import LandingUnavailable
from pinterest_platform.gateway.log import MAX_WAITING_BYTES, LandingLog
from pinterest_platform.gateway.topic_bodies import Record
from pinterest_platform.ingest.landing.objects import open_objects
from pinterest_platform.object_store import open_store
from pinterest_platform_tests.gateway.conftest import (
    PIN,
    Gateway,
    dense_lines,
    objects,
    transitions,
    wait_until,
)

THREADS = 8

Acknowledged = dict[int, bytes]


def post_batches(
    gateways: Sequence[Gateway], thread: int, go_on: Callable[[int], bool], into: Acknowledged
) -> None:
    """Post batches of 1 to 20 records until ``go_on`` is false or the gateway has ended."""
    sizes = random.Random(thread)
    for batch in itertools.takewhile(go_on, itertools.count()):
        values = [f"{thread}-{batch}-{n}" for n in range(sizes.choice((1, 1, 1, 2, 5, 20)))]
        gateway = gateways[(thread + batch) % len(gateways)]
        try:
            answer = gateway.post([{"value": value} for value in values])
        except requests.RequestException:
            return
        assert answer.status_code == 200, answer.text
        for offset, value in zip(answer.json()["offsets"], values, strict=True):
            # All threads share this dictionary: it shows an offset that is given twice.
            assert into.setdefault(offset["offset"], value.encode()) == value.encode()


def post_concurrently(
    gateways: Sequence[Gateway], go_on: Callable[[int], bool], into: Acknowledged
) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        for done in [
            threads.submit(post_batches, gateways, thread, go_on, into) for thread in range(THREADS)
        ]:
            done.result()


def test_objects_are_json_lines_named_by_their_first_offset(start: Any, landing: Path) -> None:
    gateway = start()

    gateway.post([{"value": {"title": "café", "n": 1.10}}, {"value": "a\nb"}])
    gateway.post_body('{"records": [{"value": { "index" : 7528,\n "title" : "\\ud83d\\ude00" }}]}')

    assert objects(landing) == {
        0: '{"title":"café","n":1.1}\n"a\\nb"\n'.encode(),
        2: '{"index":7528,"title":"😀"}\n'.encode(),
    }


def test_offsets_are_dense_under_concurrent_posts(start: Any, landing: Path) -> None:
    gateway = start()
    acknowledged: Acknowledged = {}

    post_concurrently([gateway], lambda batch: batch < 40, acknowledged)

    lines = dense_lines(landing)
    assert dict(enumerate(lines)) == {
        offset: b'"' + value + b'"' for offset, value in acknowledged.items()
    }
    assert len(set(lines)) == len(lines)
    # Requests that wait for a write share an object; otherwise there would be 320 objects.
    assert len(objects(landing)) < 320


def test_offsets_continue_after_a_restart(start: Any, landing: Path) -> None:
    first = start()
    first.post([{"value": 1}, {"value": 2}])
    first.terminate()
    assert first.output()[0] == 0

    answer = start().post([{"value": 3}])

    assert answer.json()["offsets"] == [{"offset": 2, "partition": 0}]
    assert dense_lines(landing) == [b"1", b"2", b"3"]


def test_a_kill_loses_nothing_that_was_acknowledged(start: Any, landing: Path) -> None:
    acknowledged: Acknowledged = {}
    for _ in range(3):
        gateway = start()
        enough = len(acknowledged) + 100
        with ThreadPoolExecutor(1) as thread:
            posting = thread.submit(
                post_concurrently, [gateway], lambda batch: batch < 100_000, acknowledged
            )
            wait_until(lambda enough=enough: len(acknowledged) > enough)
            gateway.kill()
            posting.result()
        kept = objects(landing)

        again = start().post([{"value": "after"}]).json()["offsets"][0]["offset"]

        # Dense: the restarted gateway continued right behind the last object.
        lines = dense_lines(landing)
        assert again == len(lines) - 1
        acknowledged[again] = b"after"
        assert {offset: lines[offset] for offset in acknowledged} == {
            offset: b'"' + value + b'"' for offset, value in acknowledged.items()
        }
        assert kept.items() <= objects(landing).items()


def test_two_gateways_share_a_landing_folder(start: Any, landing: Path) -> None:
    acknowledged: Acknowledged = {}

    post_concurrently([start(), start()], lambda batch: batch < 40, acknowledged)

    assert dict(enumerate(dense_lines(landing))) == {
        offset: b'"' + value + b'"' for offset, value in acknowledged.items()
    }


def test_a_gateway_that_fell_far_behind_catches_up(start: Any, landing: Path) -> None:
    idle, busy = start(), start()
    idle.post([{"value": "first"}])
    for n in range(30):
        busy.post([{"value": n}, {"value": n}])

    answer = idle.post([{"value": "last"}])

    assert answer.json()["offsets"] == [{"offset": 61, "partition": 0}]
    assert dense_lines(landing)[61] == b'"last"'


async def append_at_once(landing: Path, appends: Sequence[Sequence[bytes]]) -> list[Any]:
    log = LandingLog(open_objects(open_store(str(landing), create=True)), [PIN], 1)
    offsets = await asyncio.gather(
        *(log.append(PIN, 0, [Record(line, None, None) for line in lines]) for lines in appends),
        return_exceptions=True,
    )
    await log.close()
    return [found if isinstance(found, BaseException) else found[0] for found in offsets]


def test_an_object_has_at_most_10000_records_unless_one_request_has_more(landing: Path) -> None:
    appends = [[b"1"] * count for count in (5000, 5000, 1, 12000, 1)]

    offsets = asyncio.run(append_at_once(landing, appends))

    assert offsets == [0, 5000, 10000, 10001, 22001]
    assert {offset: content.count(b"\n") for offset, content in objects(landing).items()} == {
        0: 10000,
        10000: 1,
        10001: 12000,
        22001: 1,
    }


def test_an_object_has_at_most_8_mib_unless_one_request_has_more(landing: Path) -> None:
    mib = 1024 * 1024
    appends = [[b"x" * (size * mib - 1)] for size in (5, 3, 1, 9)]

    asyncio.run(append_at_once(landing, appends))

    assert [len(content) // mib for content in objects(landing).values()] == [8, 1, 9]


def test_waiting_records_have_a_limit(landing: Path) -> None:
    quarter = [b"x" * (MAX_WAITING_BYTES // 4 - 1)]

    *taken, refused = asyncio.run(append_at_once(landing, [quarter] * 5))

    assert taken == [0, 1, 2, 3]
    assert isinstance(refused, LandingUnavailable)


def test_nothing_but_landing_objects_is_in_a_partition(start: Any, landing: Path) -> None:
    gateway = start()
    gateway.post([{"value": 1}])
    gateway.get("/health")

    files = [path for path in landing.rglob("*") if path.is_file()]

    assert files == [landing / "topics" / PIN / "partition=0" / f"{PIN}+0+0000000000.json"]


def test_foreign_files_do_no_harm(start: Any, landing: Path) -> None:
    folder = landing / "topics" / PIN / "partition=0"
    folder.mkdir(parents=True)
    (folder / f"{PIN}+0+0000000005.json").write_bytes(b"1\n2")
    (folder / f"{PIN}+0+0000000009.json#1").write_bytes(b"half an object of obst")
    (folder / ".DS_Store").write_bytes(b"x")

    answer = start().post([{"value": 3}])

    assert answer.json()["offsets"] == [{"offset": 7, "partition": 0}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (f"{PIN}+0+0000000005.json.gz", b"x", "does not follow"),
        (f"{PIN}+0+0000000005.json", b"", "is empty"),
    ],
)
def test_an_object_that_hides_the_next_offset_is_named(
    start: Any, landing: Path, name: str, content: bytes, message: str
) -> None:
    folder = landing / "topics" / PIN / "partition=0"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content)

    answer = start().post([{"value": 3}])

    assert answer.status_code == 503
    assert name in answer.json()["message"]
    assert message in answer.json()["message"]


@contextmanager
def broken(landing: Path) -> Iterator[None]:
    """A landing folder in which nothing can be read or written, until the block ends."""
    topics = landing / "topics"
    topics.rename(landing / "aside")
    topics.write_text("not a folder")
    yield
    topics.unlink()
    (landing / "aside").rename(topics)


def test_a_landing_place_that_breaks_is_a_503_until_it_is_repaired(
    start: Any, landing: Path
) -> None:
    gateway = start()
    gateway.post([{"value": 1}])
    assert gateway.get("/health").json()["status"] == "ok"

    with broken(landing):
        refused = [gateway.post([{"value": n}]) for n in range(3)]
        health = gateway.get("/health")

    for answer in (*refused, health):
        assert answer.status_code == 503
        assert answer.json()["error_code"] == 50302
        assert "Not a directory" in answer.json()["message"]
        assert int(answer.headers["Retry-After"]) > 0
    assert gateway.get("/health").status_code == 200
    assert gateway.post([{"value": 2}]).json()["offsets"] == [{"offset": 1, "partition": 0}]
    assert dense_lines(landing) == [b"1", b"2"]


def test_every_outage_of_the_landing_place_is_one_line_and_its_end_another(
    start: Any, landing: Path
) -> None:
    """However many requests for however many topics fail meanwhile."""
    gateway = start()
    topics = (PIN, "pinterest.geo")

    def post_to_both() -> set[int]:
        return {gateway.post([{"value": 1}], topic).status_code for topic in topics}

    assert post_to_both() == {200}
    for _ in range(2):
        with broken(landing):
            assert [post_to_both() for _ in range(3)] == [{503}] * 3
            assert gateway.get("/health").status_code == 503
        assert post_to_both() == {200}
        assert gateway.get("/health").status_code == 200
    gateway.terminate()
    code, _, stderr = gateway.output()

    assert code == 0
    assert (
        transitions(stderr)
        == [
            "WARNING the landing place is unavailable",
            "INFO the landing place is available again",
        ]
        * 2
    )
    assert stderr.count("Not a directory") == 2
