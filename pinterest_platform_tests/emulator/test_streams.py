"""``pinterest emulate stream``: a real process, a real gateway, moto's Kinesis."""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from pinterest_platform.emulator.sending import emulate
from pinterest_platform.errors import PlatformError
from pinterest_platform_tests.emulator.recording_gateway import Answer, RecordingGateway
from pinterest_platform_tests.gateway.aws import Aws, Fault, running_aws
from pinterest_platform_tests.gateway.conftest import ENVIRONMENT, Gateway

PINTEREST = str(Path(sys.executable).with_name("pinterest"))
KINDS = ("pin", "geo", "user")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Aws, Gateway]]:
    with (
        running_aws() as (aws, environment),
        Gateway(
            str(tmp_path_factory.mktemp("landing")), PINTEREST_ID="t", **environment
        ) as gateway,
    ):
        yield aws, gateway


@pytest.fixture
def aws(running: tuple[Aws, Gateway]) -> Iterator[Aws]:
    """A Kinesis that has the platform's three streams, with four shards each."""
    aws = running[0]
    aws.calls.clear()
    for kind in KINDS:
        aws.client.create_stream(StreamName=f"streaming-t-{kind}", ShardCount=4)
    yield aws
    aws.faults.clear()
    for name in aws.client.list_streams()["StreamNames"]:
        aws.client.delete_stream(StreamName=name)


@pytest.fixture
def environ(tmp_path: Path, running: tuple[Aws, Gateway], seeded_file: Path) -> dict[str, str]:
    shutil.copy(seeded_file, tmp_path / "source.db")
    return ENVIRONMENT | {
        "PINTEREST_HOME": str(tmp_path),
        "PINTEREST_GATEWAY_URL": running[1].url,
        "PINTEREST_ID": "t",
    }


def emulate_stream(environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PINTEREST, "emulate", "stream", "--rate", "0", *words],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_post_is_a_record_in_each_stream_spread_over_the_shards(
    aws: Aws, environ: dict[str, str]
) -> None:
    done = emulate_stream(environ, "--posts", "60")

    assert done.stdout == (
        "60 posts: pin 60 sent, 0 failed; geo 60 sent, 0 failed; user 60 sent, 0 failed\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (aws.count("PutRecord"), aws.count("PutRecords")) == (180, 0)
    keys = set()
    for kind in KINDS:
        records = aws.records(f"streaming-t-{kind}")
        assert len(records) == 60
        by_shard = Counter(record["ShardId"] for record in records)
        # 15 are expected in each; fewer than 4 happen for one of 3,000 seeds.
        assert len(by_shard) == 4
        assert min(by_shard.values()) >= 4
        keys |= {record["PartitionKey"] for record in records}
    assert len(keys) == 180


def test_the_same_seed_sends_the_posts_of_a_batch(
    aws: Aws, environ: dict[str, str], engine: Engine, gateway: RecordingGateway
) -> None:
    topics = {kind: f"t.{kind}" for kind in KINDS}
    emulate(engine, gateway.url, topics, posts=20, rate=0, seed=7)

    assert emulate_stream(environ, "--posts", "20", "--seed", "7").returncode == 0

    for kind in KINDS:
        sent = [
            json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
            for value in gateway.values(f"t.{kind}")
        ]
        assert Counter(aws.data(f"streaming-t-{kind}")) == Counter(sent)


def test_the_same_seed_gives_the_same_partition_keys(aws: Aws, environ: dict[str, str]) -> None:
    keys = []
    for seed in ("7", "7", "8"):
        aws.calls.clear()
        emulate_stream(environ, "--posts", "3", "--seed", seed)
        keys.append([sent["PartitionKey"] for call, sent in aws.calls if call == "PutRecord"])
    assert keys[0] == keys[1]
    assert not set(keys[1]) & set(keys[2])


def test_temporary_throttling_loses_nothing(aws: Aws, environ: dict[str, str]) -> None:
    throttled = Fault.error("PutRecord", "ProvisionedThroughputExceededException")
    # The gateway tries twice, so the emulator sees 429 once.
    aws.faults.extend([throttled] * 2)

    done = emulate_stream(environ, "--posts", "2")

    assert (done.returncode, done.stderr) == (0, "")
    assert aws.count("PutRecord") == 6 + 2
    assert [len(aws.data(f"streaming-t-{kind}")) for kind in KINDS] == [2, 2, 2]


def test_a_missing_stream_is_reported_once_with_exit_code_1(
    aws: Aws, environ: dict[str, str]
) -> None:
    aws.client.delete_stream(StreamName="streaming-t-geo")

    done = emulate_stream(environ, "--posts", "3")

    assert done.returncode == 1
    assert done.stdout == (
        "3 posts: pin 3 sent, 0 failed; geo 0 sent, 3 failed; user 3 sent, 0 failed\n"
    )
    assert re.fullmatch(
        r"streaming-t-geo: 404 Stream .*not found.* \(ResourceNotFoundException\)\n", done.stderr
    )
    assert len(aws.data("streaming-t-user")) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_with_the_count(
    aws: Aws, environ: dict[str, str], number: signal.Signals
) -> None:
    # The wait after the first post is longer than the test's deadline.
    process = subprocess.Popen(
        [PINTEREST, "emulate", "stream", "--rate", "0.001"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        aws.wait_for("PutRecord", 3)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, stderr) == (0, "")
    assert stdout == "1 posts: pin 1 sent, 0 failed; geo 1 sent, 0 failed; user 1 sent, 0 failed\n"


def test_a_gateway_without_kinesis_is_an_error_before_the_first_post(
    engine: Engine, gateway: RecordingGateway
) -> None:
    gateway.check = Answer(503, b'{"__type":"ServiceUnavailableException","message":"no region"}')
    streams = {kind: f"streaming-t-{kind}" for kind in KINDS}
    with pytest.raises(PlatformError, match=r"503 no region \(ServiceUnavailableException\)"):
        emulate(engine, gateway.url, streams, channel="stream", posts=1, rate=0, retries=0)
