"""The REST API's mappings, executed: they give the answers of our gateway."""

from typing import Any

import pytest

from pinterest_platform_tests.gateway.conftest import Gateway
from pinterest_platform_tests.infra.conftest import PIN, TOKEN, ask, newest
from pinterest_platform_tests.infra.templates import Deployment

TEXT = 'emoji 👩‍🎨 日本語 "quoted" \\ \n end'
OBJECT = {"n": 1, "t": TEXT, "nested": {"a": [1, None, True]}}


@pytest.mark.parametrize("data", [OBJECT, TEXT, "", {}, '{"as": "it is" }'])
@pytest.mark.parametrize(("name", "key"), [("Data", "PartitionKey"), ("data", "partition-key")])
def test_a_record_arrives_with_the_same_bytes_as_through_the_gateway(
    deployment: Deployment, gateway: Gateway, api: str, data: Any, name: str, key: str
) -> None:
    body = {"StreamName": "streaming-pinterest-pin", name: data, key: 'k"é'}
    answers = [ask(url, "PUT", f"{PIN}/record", body) for url in (gateway.url, api)]
    assert [answer.status_code for answer in answers] == [200, 200]
    first, second = (answer.json() for answer in answers)
    assert (first.keys(), first["ShardId"]) == (second.keys(), second["ShardId"])
    [one, other] = newest(deployment, 2)
    assert one[1] == 'k"é'
    assert one == other


def test_records_arrive_in_order_under_both_spellings(
    deployment: Deployment, gateway: Gateway, api: str
) -> None:
    records = [
        {"data": OBJECT, "partition-key": "a"},
        {"Data": TEXT, "PartitionKey": "a"},
        {"data": {}, "PartitionKey": "a", "unknown": [1]},
    ]
    for spelling in ("records", "Records"):
        landed = []
        for url in (gateway.url, api):
            answer = ask(url, "PUT", f"{PIN}/records", {spelling: records})
            # moto leaves out this field, which AWS always has; the gateway adds it.
            assert (answer.status_code, answer.json().get("FailedRecordCount", 0)) == (200, 0)
            assert len(answer.json()["Records"]) == 3
            landed.append(newest(deployment, 3))
        assert landed[0] == landed[1]


def test_a_stream_is_created_listed_described_and_deleted(gateway: Gateway, api: str) -> None:
    for number, body in enumerate((b"", b"{}", {"ShardCount": 3})):
        path = f"/streams/streaming-pinterest-new-{number}"
        created = ask(api, "POST", path, body)
        assert (created.status_code, created.json()) == (200, {})
        assert ask(api, "GET", "/streams").json() == ask(gateway.url, "GET", "/streams").json()
        described = ask(api, "GET", path).json()
        assert described == ask(gateway.url, "GET", path).json()
        assert len(described["StreamDescription"]["Shards"]) == (3 if number == 2 else 1)
        again = [ask(url, "POST", path) for url in (gateway.url, api)]
        assert [answer.status_code for answer in again] == [400, 400]
        assert again[0].json() == again[1].json()
        deleted = ask(api, "DELETE", path)
        assert (deleted.status_code, deleted.json()) == (200, {})


@pytest.mark.parametrize("verb", ["GET", "DELETE"])
def test_a_missing_stream_is_the_404_of_the_gateway(gateway: Gateway, api: str, verb: str) -> None:
    answers = [ask(url, verb, "/streams/missing") for url in (gateway.url, api)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["__type"] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("PUT", f"{PIN}/record", {"PartitionKey": "k"}),
        ("PUT", f"{PIN}/record", {"Data": "x"}),
        ("PUT", f"{PIN}/record", {"Data": "x", "PartitionKey": ""}),
        ("PUT", f"{PIN}/record", [1]),
        ("PUT", f"{PIN}/records", {"records": []}),
        ("PUT", f"{PIN}/records", {"records": [{"data": "x"}]}),
        ("PUT", f"{PIN}/records", {"records": [{"data": "x", "partition-key": "k"}] * 501}),
        ("POST", "/streams/streaming-pinterest-bad", {"ShardCount": 0}),
        ("POST", "/streams/streaming-pinterest-bad", {"Shards": 1}),
    ],
)
def test_the_api_refuses_what_the_gateway_refuses(
    gateway: Gateway, api: str, verb: str, path: str, body: Any
) -> None:
    answers = [ask(url, verb, path, body) for url in (gateway.url, api)]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert {answer.json()["__type"] for answer in answers} == {"ValidationException"}


def test_the_api_passes_the_token_on(gateway: Gateway, api: str) -> None:
    for token, status in ((TOKEN, 200), ("other", 401)):
        for url in (gateway.url, api):
            assert ask(url, "GET", "/topics", **{"x-api-key": token}).status_code == status


def test_the_api_passes_topics_on_to_the_gateway(gateway: Gateway, api: str) -> None:
    for path in ("/topics", "/topics/pinterest.pin", "/topics/missing"):
        answers = [ask(url, "GET", path) for url in (gateway.url, api)]
        assert answers[0].status_code == answers[1].status_code
        assert answers[0].json() == answers[1].json()
