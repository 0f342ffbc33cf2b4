"""What crosses the border to Databricks arrives as it was sent."""

import json
from datetime import date

import pytest

from pinterest_platform.build.request import Checked, Made, NotMade, Outcome, Places, Request
from pinterest_platform.engines.databricks.messages import (
    Access,
    asked_of,
    extras_of,
    message_of,
    outcome_of,
)

DAY, NEXT = date(2026, 3, 4), date(2026, 3, 5)
PLACES = Places(
    "unity://main/",
    "s3://posts",
    {"pin": "pinterest.pin"},
    DAY,
    {"post_years": [2018, 2022]},
    {"pin": "streaming-pinterest-pin"},
    "eu-west-1",
)


@pytest.mark.parametrize(
    "outcome",
    [
        Made(
            "raw.pin",
            {DAY: 3, date(2026, 3, 5): 0},
            3,
            [{"value": "🙂"}],
            0.5,
            reached={"0": [1, 2]},
        ),
        Made("analytics.posts", {None: 7}, 7, [], 1.25, [{"channel": "batch", "rows": "7"}]),
        Checked("raw.pin", "unique_key", False, "error", 1, 3, [{"key": "a"}], {"n": 1}, "told"),
        NotMade("cleaned.pins", "raw.pin:unique_key"),
    ],
)
def test_an_outcome_comes_back_as_it_was(outcome: Outcome) -> None:
    assert outcome_of(json.loads(json.dumps(message_of(outcome)))) == outcome


def test_a_request_arrives_as_it_was_made() -> None:
    request = Request(("raw.pin",), (("raw.pin", "unique_key"),), (DAY,))
    access = Access("kinesis-reader")
    sent = json.dumps(extras_of(request, PLACES, access))
    assert asked_of(json.loads(sent)) == (request, PLACES, access)


def test_credentials_stay_where_they_are() -> None:
    places = Places("l", "s3://posts", {}, DAY, environment={"AWS_SECRET_ACCESS_KEY": "geheim"})
    assert "geheim" not in json.dumps(extras_of(Request((), ()), places, Access()))
    assert "geheim" not in repr(places)
