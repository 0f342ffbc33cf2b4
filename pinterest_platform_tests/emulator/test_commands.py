"""The commands as processes: their output and exit codes."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pinterest_platform_tests.emulator.recording_gateway import Answer, RecordingGateway

PINTEREST = str(Path(sys.executable).with_name("pinterest"))


@pytest.fixture
def environ(tmp_path: Path, gateway: RecordingGateway) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PINTEREST_")}
    return clean | {
        "PINTEREST_HOME": str(tmp_path),
        "PINTEREST_GATEWAY_URL": gateway.url,
        "PINTEREST_ID": "t",
    }


def pinterest(environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PINTEREST, *words], env=environ, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def seeded(environ: dict[str, str], tmp_path: Path, seeded_file: Path) -> dict[str, str]:
    shutil.copy(seeded_file, tmp_path / "source.db")
    return environ


def test_seed_db_prints_what_it_created(environ: dict[str, str], tmp_path: Path) -> None:
    created = pinterest(environ, "seed-db", "--rows", "50", "--seed", "3")
    assert re.fullmatch(
        rf"50 posts \(seed 3\) in sqlite:///{tmp_path}/source\.db, \d+\.\d s\n", created.stdout
    )


def test_emulate_sends_and_counts(seeded: dict[str, str], gateway: RecordingGateway) -> None:
    done = pinterest(seeded, "emulate", "batch", "--posts", "5", "--rate", "0")
    assert done.stdout == (
        "5 posts: pin 5 sent, 0 failed; geo 5 sent, 0 failed; user 5 sent, 0 failed\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(gateway.values("t.user")) == 5


def test_a_failed_record_is_exit_code_1(seeded: dict[str, str], gateway: RecordingGateway) -> None:
    gateway.always["t.geo"] = Answer(404, b'{"error_code":40401,"message":"Topic not found."}')
    done = pinterest(seeded, "emulate", "batch", "--posts", "3", "--rate", "0")
    assert done.returncode == 1
    assert done.stderr == "t.geo: 404 Topic not found. (40401)\n"
    assert done.stdout.startswith("3 posts: pin 3 sent, 0 failed; geo 0 sent, 3 failed;")


def test_a_missing_database_is_one_line(environ: dict[str, str]) -> None:
    done = pinterest(environ, "emulate", "batch", "--posts", "1")
    assert done.returncode == 1
    assert re.fullmatch(
        r"Error: there is no database .*: run pinterest seed-db first\n", done.stderr
    )


def test_a_missing_gateway_is_one_line(seeded: dict[str, str], gateway: RecordingGateway) -> None:
    gateway.close()
    done = pinterest(seeded, "emulate", "batch", "--posts", "1")
    assert done.returncode == 1
    assert re.fullmatch(rf"Error: the gateway {gateway.url} .*pinterest gateway.*\n", done.stderr)
    assert done.stdout == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("batch_size", [1, 1_000_000])
def test_a_signal_ends_with_the_count(
    seeded: dict[str, str], gateway: RecordingGateway, number: signal.Signals, batch_size: int
) -> None:
    # The wait after the first post is longer than the test's deadline.
    rate = "0.001" if batch_size == 1 else "0"
    process = subprocess.Popen(
        [PINTEREST, "emulate", "batch", "--rate", rate, "--batch-size", str(batch_size)],
        env=seeded,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        if batch_size == 1:
            gateway.wait_for(3)
        else:
            gateway.wait_for_check()
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, stderr) == (0, "")
    match = re.fullmatch(r"(\d+) posts: pin (\d+) sent, 0 failed; geo .*\n", stdout)
    assert match
    assert match[1] == match[2] == str(len(gateway.values("t.pin")))


def test_a_second_signal_does_not_wait(seeded: dict[str, str], gateway: RecordingGateway) -> None:
    gateway.answering.clear()
    process = subprocess.Popen(
        [PINTEREST, "emulate", "batch"],
        env=seeded,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        gateway.wait_for(1)
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2)
        process.send_signal(signal.SIGINT)
        # Less than the emulation waits for an answer.
        stdout, stderr = process.communicate(timeout=20)
    finally:
        gateway.answering.set()
        process.kill()
        process.wait()
    assert (process.returncode, stderr) == (1, "")
    assert stdout == "1 posts: pin 0 sent, 1 failed; geo 0 sent, 1 failed; user 0 sent, 1 failed\n"
