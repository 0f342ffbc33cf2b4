"""The OpenAPI document, and schemathesis' test of the gateway against it."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from openapi_spec_validator import validate

from pinterest_platform.gateway.openapi import describe
from pinterest_platform_tests.gateway.aws import running_aws
from pinterest_platform_tests.gateway.conftest import DEADLINE_SECONDS, Gateway

TOKEN = "correct-horse"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


TOPICS = ["pinterest.geo", "pinterest.pin", "pinterest.user"]
STREAMS = ["streaming-pinterest-geo", "streaming-pinterest-pin", "streaming-pinterest-user"]

# Schemathesis does not expect 413, the answer to too many records.
REFUSED = {"expected-statuses": [400, 401, 403, 404, 405, 413, 415, 422]}
CONFIG = schemathesis.Config.from_dict({"checks": {"negative_data_rejection": REFUSED}})

schema = schemathesis.openapi.from_dict(describe(TOPICS, STREAMS, guarded=True), config=CONFIG)


@schema.hook
def filter_body(context: Any, body: Any) -> bool:
    """Leave out partitions such as 1.0: whole to JSON Schema, not to the gateway."""
    records = body.get("records") if isinstance(body, dict) else None
    return not any(
        isinstance(record, dict) and isinstance(record.get("partition"), float)
        for record in (records if isinstance(records, list) else [])
    )


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a token, and a Kinesis with one of the three streams."""
    with running_aws() as (aws, environment):
        aws.client.create_stream(StreamName=STREAMS[1], ShardCount=1)
        with Gateway(
            str(tmp_path_factory.mktemp("landing")),
            **environment,
            PINTEREST_GATEWAY_TOKEN=TOKEN,
            # The local AWS would create 100,000 shards.
            PINTEREST_GATEWAY_STREAMS="records",
        ) as gateway:
            yield gateway


@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    # The same requests at every run.
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answers_match_the_document(case: Any, guarded: Gateway) -> None:
    case.call_and_validate(base_url=guarded.url, headers=HEADERS, timeout=DEADLINE_SECONDS)


def test_the_gateway_serves_the_document(guarded: Gateway) -> None:
    served = requests.get(f"{guarded.url}/openapi.json", headers=HEADERS, timeout=DEADLINE_SECONDS)

    assert served.json() == describe(TOPICS, STREAMS, guarded=True)


def test_the_document_is_valid_and_names_topics_and_streams(shared: Gateway) -> None:
    document = shared.get("/openapi.json").json()

    validate(document)
    paths = document["paths"]
    assert paths["/topics/{topic}"]["parameters"][0]["schema"] == {"enum": TOPICS}
    assert paths["/streams/{stream}"]["parameters"][0]["schema"] == {"enum": STREAMS}
    assert document["security"] == []


@pytest.mark.parametrize(
    "path",
    ["/", "/dev/topics/pinterest.pin", "/v1/streams/x/record", "/topics/a/b", "/streams//record"],
)
def test_an_unknown_route_names_the_known_ones(shared: Gateway, path: str) -> None:
    answer = shared.get(path)

    assert answer.status_code == 404
    message = answer.json()["message"]
    for route in shared.get("/openapi.json").json()["paths"]:
        assert route in message
    assert "Leave out a stage before them, such as /dev" in message
