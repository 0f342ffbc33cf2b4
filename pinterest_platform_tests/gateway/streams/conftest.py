"""A real gateway in front of the local AWS and of AWS's errors, and requests to it."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from pinterest_platform_tests.gateway.aws import SECRET, Aws, running_aws
from pinterest_platform_tests.gateway.conftest import DEADLINE_SECONDS, Gateway

NUMBERS = itertools.count()
TEXT = 'emoji 👩‍🎨 日本語 "quoted" \\ \n end'


@pytest.fixture(scope="module")
def kinesis() -> Iterator[tuple[Aws, dict[str, str]]]:
    with running_aws() as running:
        yield running


@pytest.fixture(scope="module")
def environment(kinesis: tuple[Aws, dict[str, str]]) -> dict[str, str]:
    return kinesis[1] | {"PINTEREST_GATEWAY_STREAMS": "any"}


@pytest.fixture(scope="module")
def gateway(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with Gateway(str(tmp_path_factory.mktemp("landing")), **environment) as gateway:
        yield gateway


@pytest.fixture
def aws(kinesis: tuple[Aws, dict[str, str]]) -> Iterator[Aws]:
    aws = kinesis[0]
    aws.calls.clear()
    yield aws
    aws.faults.clear()


@pytest.fixture
def stream(aws: Aws) -> str:
    """A new stream of two shards."""
    name = f"stream-{next(NUMBERS)}"
    aws.client.create_stream(StreamName=name, ShardCount=2)
    return name


def ask(gateway: Gateway, method: str, path: str, body: Any = None) -> requests.Response:
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    return requests.request(method, f"{gateway.url}{path}", data=data, timeout=DEADLINE_SECONDS)


def put(gateway: Gateway, stream: str, body: Any) -> requests.Response:
    return ask(gateway, "PUT", f"/streams/{stream}/record", body)


def put_all(gateway: Gateway, stream: str, records: Any) -> requests.Response:
    return ask(gateway, "PUT", f"/streams/{stream}/records", {"records": records})


def error(answer: requests.Response) -> tuple[int, str]:
    assert list(answer.json()) == ["__type", "message"]
    assert SECRET not in answer.text
    return answer.status_code, answer.json()["__type"]
