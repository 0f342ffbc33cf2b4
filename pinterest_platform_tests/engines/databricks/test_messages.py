"""Requests and outcomes survive the transport to and from Databricks."""

import json
from datetime import date

import pytest

from pinterest_platform.build.outcomes import (
    Checked,
    Materialized,
    Outcome,
    Skipped,
    from_json,
    to_json,
)
from pinterest_platform.build.request import Request
from pinterest_platform.engines.databricks.messages import (
    Access,
    extras_of,
    task_of,
)
from pinterest_platform.places import Places

DAY, NEXT = date(2026, 3, 4), date(2026, 3, 5)
PLACES = Places(
    lake="unity://main/",
    landing="s3://posts",
    topics={"pin": "pinterest.pin"},
    streams={"pin": "streaming-pinterest-pin"},
    start_date=DAY,
    parameters={"post_years": [2018, 2022]},
    region="eu-west-1",
)


@pytest.mark.parametrize(
    "outcome",
    [
        Materialized(
            table="raw.pin",
            rows={DAY: 3, NEXT: 0},
            total_rows=3,
            preview=[{"value": "🙂"}],
            seconds=0.5,
            watermark={"0": [1, 2]},
        ),
        Materialized(
            table="analytics.posts",
            rows={},
            total_rows=7,
            preview=[],
            seconds=1.25,
            breakdown=[{"channel": "batch", "rows": "7"}],
        ),
        Checked(
            table="raw.pin",
            check="unique_key",
            passed=False,
            severity="error",
            offending=1,
            rows_checked=3,
            samples=[{"key": "a"}],
            facts={"n": 1},
            reason="a row is there twice",
        ),
        Skipped("cleaned.pins", "raw.pin:unique_key"),
    ],
)
def test_an_outcome_survives_the_transport(outcome: Outcome) -> None:
    assert from_json(json.loads(json.dumps(to_json(outcome)))) == outcome


def test_a_request_survives_the_transport() -> None:
    request = Request(
        tables=("raw.pin",), checks=(("raw.pin", "unique_key"),), days=(DAY,), full=True
    )
    access = Access("kinesis-reader")
    sent = json.dumps(extras_of(request, PLACES, access))
    assert task_of(json.loads(sent)) == (request, PLACES, access)


def test_credentials_are_not_transported() -> None:
    places = Places(
        lake="l",
        landing="s3://posts",
        topics={},
        start_date=DAY,
        environment={"AWS_SECRET_ACCESS_KEY": "geheim"},
    )
    assert "geheim" not in json.dumps(extras_of(Request(tables=(), checks=()), places, Access()))
    assert "geheim" not in repr(places)
