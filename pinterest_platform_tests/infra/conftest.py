"""The templates, deployed once, with a gateway on their resources and the API in front of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from pinterest_platform_tests.gateway.conftest import DEADLINE_SECONDS, Gateway
from pinterest_platform_tests.infra.api_gateway import Api, serving
from pinterest_platform_tests.infra.templates import Deployment
from pinterest_platform_tests.local_aws import CREDENTIALS, client, running_moto

TOKEN = "correct-horse"
PIN = "/streams/streaming-pinterest-pin"


def ask(url: str, verb: str, path: str, body: Any = None, **headers: str) -> requests.Response:
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    return requests.request(
        verb,
        f"{url}{path}",
        data=data,
        headers={"x-api-key": TOKEN} | headers,
        timeout=DEADLINE_SECONDS,
    )


def newest(deployment: Deployment, number: int) -> list[tuple[bytes, str]]:
    """Data and partition key of the newest records of the pin stream, from all shards."""
    kinesis = client("kinesis", deployment.endpoint)
    name = PIN.rpartition("/")[2]
    records: list[dict[str, Any]] = []
    for shard in kinesis.list_shards(StreamName=name)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records += kinesis.get_records(ShardIterator=iterator)["Records"]
    records.sort(key=lambda record: int(record["SequenceNumber"]))
    return [(record["Data"], record["PartitionKey"]) for record in records[-number:]]


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    with running_moto() as endpoint:
        yield Deployment(endpoint)


@pytest.fixture(scope="module")
def aws(deployment: Deployment) -> dict[str, str]:
    """The environment of a process besides the outputs: this AWS."""
    return CREDENTIALS | {"AWS_ENDPOINT_URL": deployment.endpoint}


@pytest.fixture(scope="module")
def gateway(deployment: Deployment, aws: dict[str, str]) -> Iterator[Gateway]:
    # The local AWS checks no rights: the API's role, too, may do everything with streams.
    settings = deployment.environment() | {
        "PINTEREST_GATEWAY_STREAMS": "any",
        "PINTEREST_GATEWAY_TOKEN": TOKEN,
    }
    with Gateway(settings["PINTEREST_LANDING"], **settings | aws) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def api(deployment: Deployment, gateway: Gateway) -> Iterator[str]:
    """The API's URL."""
    with serving(Api(deployment, gateway.url).answer) as url:
        yield url


@pytest.fixture
def environment(
    deployment: Deployment, aws: dict[str, str], api: str, tmp_path: Path
) -> dict[str, str]:
    """The outputs as variables, with the local API."""
    home = {"PINTEREST_HOME": str(tmp_path / "home"), "PINTEREST_GATEWAY_TOKEN": TOKEN}
    return deployment.environment() | aws | home | {"PINTEREST_GATEWAY_URL": api}
