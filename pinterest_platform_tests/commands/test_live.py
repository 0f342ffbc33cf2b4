"""``pinterest live``: from start to Ctrl-C."""

import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from pinterest_platform_tests.local_aws import client
from pinterest_platform_tests.process import DEADLINE_SECONDS, Pinterest
from pinterest_platform_tests.process_tree import below, is_alive

PINS = "topics/pinterest.pin/partition=0"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], live: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert live.poll() is None, live.communicate()
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.1)


@contextmanager
def started(pinterest: Pinterest, *options: str) -> Iterator["subprocess.Popen[str]"]:
    live = pinterest.start("live", *options)
    try:
        yield live
    finally:
        if live.poll() is None:
            live.send_signal(signal.SIGTERM)
        live.communicate(timeout=DEADLINE_SECONDS)


def output_until(live: "subprocess.Popen[str]", words: str) -> str:
    """Read its output up to the line with these words."""
    assert live.stdout
    text = ""
    # Reading a line waits without a deadline, but not for a process that has ended.
    too_late = threading.Timer(DEADLINE_SECONDS, live.terminate)
    too_late.start()
    try:
        for line in live.stdout:
            text += line
            if words in line:
                return text
    finally:
        too_late.cancel()
    raise AssertionError(text)


def test_posts_arrive_through_both_channels_and_no_process_is_left(
    tmp_path: Path,
) -> None:
    pinterest = Pinterest(tmp_path / "home")
    port = free_port()
    with started(pinterest, "--port", str(port), "--rate", "5") as live:
        text = output_until(live, "The UI answers")
        assert f"http://127.0.0.1:{port}" in text
        assert requests.get(f"http://127.0.0.1:{port}/server_info", timeout=30).ok
        endpoint = re.findall(r"local AWS is at (http://127\.0\.0\.1:\d+)", text)[0]
        wait_until(lambda: any((pinterest.home / "landing" / PINS).glob("*.json")), live)
        wait_until(lambda: records(endpoint, "streaming-pinterest-pin") > 0, live)
        family = below(live.pid)
        commands = " ".join(family.values())
        for part in (
            "pinterest_platform.local_aws",
            "gateway",
            "emulate batch",
            "emulate stream",
            "dagster_webserver",
            "dagster._daemon",
        ):
            assert part in commands

        live.send_signal(signal.SIGTERM)

        rest, errors = live.communicate(timeout=DEADLINE_SECONDS)
        assert (live.returncode, errors) == (0, "")
        assert rest.endswith("All processes have ended.\n")
        assert not [command for pid, command in family.items() if is_alive(pid)]


def records(endpoint: str, stream: str) -> int:
    kinesis = client("kinesis", endpoint)
    number = 0
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        place = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        number += len(kinesis.get_records(ShardIterator=place)["Records"])
    return number


def test_a_dead_process_is_named_and_ends_the_others(tmp_path: Path) -> None:
    pinterest = Pinterest(tmp_path / "home")
    with started(pinterest, "--port", str(free_port())) as live:
        output_until(live, "Dagster takes")
        family = below(live.pid)
        (gateway,) = (pid for pid, command in family.items() if " gateway " in command)
        os.kill(gateway, signal.SIGKILL)
        _, errors = live.communicate(timeout=DEADLINE_SECONDS)
        assert live.returncode == 1
        assert errors.splitlines()[-1] == (
            "Error: the gateway ended (exit code -9): its last output is above; "
            "the other processes are stopped"
        )
        assert "Gateway listening on" in errors
        assert not [command for pid, command in family.items() if is_alive(pid)]


def test_a_secret_of_aws_is_refused_before_anything_starts(tmp_path: Path) -> None:
    pinterest = Pinterest(tmp_path / "home", PINTEREST_DB_SECRET="pins")
    done = pinterest("live", "--port", str(free_port()))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: PINTEREST_DB_SECRET is in AWS")
    assert not pinterest.home.exists()


def test_a_port_in_use_is_an_error_before_anything_starts(tmp_path: Path) -> None:
    pinterest = Pinterest(tmp_path / "home")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = pinterest("live", "--port", str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"Error: port {port} of 127.0.0.1 is in use: stop what listens there (another UI?), or "
        "choose another with --port\n"
    )
    assert not pinterest.home.exists()


def test_places_on_s3_are_refused(tmp_path: Path) -> None:
    pinterest = Pinterest(tmp_path / "home", PINTEREST_LAKE="s3://mine/lake")
    for command in ("live", "demo"):
        done = pinterest(command)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("Error: PINTEREST_LAKE is on S3, but this command")
        assert done.stderr.count("\n") == 1
    assert not pinterest.home.exists()
