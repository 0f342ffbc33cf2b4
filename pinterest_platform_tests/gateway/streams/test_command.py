"""``pinterest streams``: real processes and the local AWS."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pinterest_platform_tests.gateway.aws import SECRET, Aws, Fault, running_aws
from pinterest_platform_tests.gateway.conftest import DEADLINE_SECONDS, ENVIRONMENT


@pytest.fixture(scope="module")
def kinesis() -> Iterator[tuple[Aws, dict[str, str]]]:
    with running_aws() as running:
        yield running


def streams(environment: dict[str, str], *words: str) -> tuple[int, str, str]:
    ended = subprocess.run(
        [Path(sys.executable).with_name("pinterest"), "streams", *words],
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )
    assert SECRET not in ended.stdout + ended.stderr
    return ended.returncode, ended.stdout, ended.stderr


def test_the_round_trip_of_a_stream(kinesis: tuple[Aws, dict[str, str]]) -> None:
    aws, environment = kinesis
    assert streams(environment, "create", "a", "--shards", "3") == (
        0,
        "a is active, shards: 3\n",
        "",
    )
    assert streams(environment, "create", "b") == (0, "b is active, shards: 1\n", "")
    assert streams(environment, "list") == (0, "a\nb\n", "")

    _, described, _ = streams(environment, "describe", "a")
    assert len(json.loads(described)["StreamDescription"]["Shards"]) == 3

    assert streams(environment, "delete", "a") == (0, "a is deleted\n", "")
    assert aws.client.list_streams()["StreamNames"] == ["b"]


def test_create_and_delete_wait_until_done(kinesis: tuple[Aws, dict[str, str]]) -> None:
    aws, environment = kinesis
    page = {"StreamName": "slow", "Shards": [], "HasMoreShards": False}
    for words, status in ((("create", "slow"), "CREATING"), (("delete", "slow"), "DELETING")):
        aws.calls.clear()
        description = {"StreamDescription": page | {"StreamStatus": status}}
        aws.faults.append(Fault("DescribeStream", 200, json.dumps(description).encode()))
        assert streams(environment, *words)[0] == 0
        assert aws.count("DescribeStream") == 2


@pytest.mark.parametrize("words", [("describe", "none"), ("delete", "none")])
def test_a_missing_stream_is_one_line(
    kinesis: tuple[Aws, dict[str, str]], words: tuple[str, ...]
) -> None:
    code, stdout, stderr = streams(kinesis[1], *words)
    assert (code, stdout, stderr.count("\n")) == (1, "", 1)
    assert stderr.startswith("Error: Stream none ")
    assert stderr.endswith("(ResourceNotFoundException)\n")


def test_an_unreachable_endpoint_is_one_line(
    kinesis: tuple[Aws, dict[str, str]],
) -> None:
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    code, stdout, stderr = streams(kinesis[1] | nowhere, "list")
    assert (code, stdout, stderr.count("\n")) == (1, "", 1)
    assert stderr.startswith("Error: Kinesis cannot be reached at http://127.0.0.1:1: ")
