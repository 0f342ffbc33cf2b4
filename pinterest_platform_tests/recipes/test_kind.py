"""A new kind of record, from an HTTP body to a cleaned row."""

from datetime import UTC, datetime

import pytest

from pinterest_platform_tests.gateway.conftest import Gateway
from pinterest_platform_tests.recipes.blocks import recipes
from pinterest_platform_tests.recipes.copies import Copy

KIND = "A new kind of record"


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A lake that took two boards, one of them without a number."""
    copy = Copy(tmp_path_factory.mktemp("boards"), KIND)
    landing = str(copy.home / "landing")
    with Gateway(landing, PYTHONPATH=copy.environment["PYTHONPATH"]) as gateway:
        answer = gateway.post(
            [
                {"value": {"id": 7, "name": " Kitchens ", "follower_count": "1.2k"}},
                {"value": {"name": "Gardens", "follower_count": "3"}},
            ],
            topic="pinterest.board",
        )
    assert answer.status_code == 200, answer.text
    ran = copy("run", "--select", "raw/board,cleaned/boards,cleaned/quarantine")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return copy


def test_a_record_becomes_a_cleaned_row(boards: Copy) -> None:
    rows = boards.query(
        "SELECT ind, name, follower_count, channel, topic_or_stream, day FROM cleaned.boards"
    )
    assert rows == [
        {
            "ind": 7,
            "name": "Kitchens",
            "follower_count": 1200,
            "channel": "batch",
            "topic_or_stream": "pinterest.board",
            "day": datetime.now(UTC).date().isoformat(),
        }
    ]


def test_a_record_without_a_number_is_quarantined(boards: Copy) -> None:
    assert boards.query("SELECT kind, reason FROM cleaned.quarantine") == [
        {"kind": "board", "reason": "no whole-number ind"}
    ]


def test_it_takes_fewer_than_a_hundred_lines() -> None:
    added = [line for block in recipes()[KIND].blocks for line in block.added]
    assert 0 < len(added) < 100
