"""The tests that every engine must pass; one module per engine runs them."""

import statistics
from itertools import groupby
from typing import Any

import pytest

from pinterest_platform.tables.catalog import TABLES
from pinterest_platform_tests.engines.conformance.lakes import Row
from pinterest_platform_tests.engines.conformance.posts import BEFORE, DAY, TEXTS
from pinterest_platform_tests.engines.conformance.scenario import (
    AGAIN,
    AT_ONCE,
    CONTINUED,
    MAINTAINED,
    OUTDATED,
    Played,
)

CHECKS = [(name, check.name) for name, table in TABLES.items() for check in table.checks]

# A run of all tables takes long, so all tests share one.
every_table = pytest.mark.parametrize("table", TABLES)
every_check = pytest.mark.parametrize(("table", "check"), CHECKS)


class Conformance:
    """Compares an engine (the fixture ``played``) with Sail in the process (``reference``)."""

    def test_a_run_succeeds_with_little_output(self, played: Played) -> None:
        assert played.exit_code == 0, played.printed
        assert all(line.startswith(("  ", "Run ")) for line in played.printed.splitlines())

    @every_table
    def test_a_run_of_two_days_gives_the_same_rows(
        self, played: Played, reference: Played, table: str
    ) -> None:
        assert played.after_run[table] == reference.after_run[table]
        assert played.after_run[table] or not TABLES[table]

    @every_table
    def test_a_materialisation_has_the_same_metadata(
        self, played: Played, reference: Played, table: str
    ) -> None:
        asset = table.replace(".", "/")
        days = [f" {BEFORE}", f" {DAY}"] if TABLES[table].daily else [""]
        for day in days:
            assert played.materialisations[asset + day] == reference.materialisations[asset + day]

    @every_check
    def test_a_check_passes_on_good_posts_with_the_same_metadata(
        self, played: Played, reference: Played, table: str, check: str
    ) -> None:
        name = f"{table.replace('.', '/')}:{check}"
        assert played.evaluations[name] == reference.evaluations[name]
        assert played.evaluations[name]["passed"]

    @every_check
    def test_a_check_fails_on_bad_rows_with_the_same_result(
        self, played: Played, reference: Played, table: str, check: str
    ) -> None:
        found, expected = played.spoilt[table, check], reference.spoilt[table, check]
        assert found == expected
        assert found.passed == (check == "not_empty")
        assert bool(found.samples) == (not found.passed)

    @pytest.mark.parametrize("table", [name for name, check in CHECKS if check == "not_empty"])
    def test_an_empty_table_fails(self, played: Played, reference: Played, table: str) -> None:
        found = played.emptied[table, "not_empty"]
        assert found == reference.emptied[table, "not_empty"]
        assert not found.passed
        assert not found.stops
        assert "No row: " in found.reason

    @every_table
    def test_engines_can_take_turns(self, played: Played, reference: Played, table: str) -> None:
        """This engine builds two days, Sail the third, and this engine then the later arrivals."""
        assert played.after_continuing[table] == reference.after_continuing[table]

    @pytest.mark.parametrize("table", CONTINUED)
    def test_the_outcomes_of_taking_turns_are_the_same(
        self, played: Played, reference: Played, table: str
    ) -> None:
        assert played.continued[table] == reference.continued[table]

    def test_a_table_of_an_earlier_contract_gets_the_current_columns(self, played: Played) -> None:
        (first, *_) = played.after_continuing[OUTDATED.full_name]
        assert tuple(first) == OUTDATED.column_names

    @pytest.mark.parametrize("table", AGAIN)
    def test_rebuilding_a_day_gives_the_same_rows(self, played: Played, table: str) -> None:
        assert played.after_again[table] == played.after_continuing[table]

    @pytest.mark.parametrize("table", MAINTAINED)
    def test_upkeep_compacts_the_files_and_keeps_the_rows(self, played: Played, table: str) -> None:
        assert played.after_upkeep[table] == played.after_again[table]
        assert set(played.files_after_upkeep[table]) == {1}

    @pytest.mark.parametrize("table", AT_ONCE)
    def test_concurrent_writers_neither_duplicate_nor_lose_a_row(
        self, played: Played, reference: Played, table: str
    ) -> None:
        assert played.after_at_once[table] == reference.after_at_once[table]

    def test_a_record_is_a_raw_row_once(self, played: Played) -> None:
        key = ("topic_or_stream", "partition_or_shard", "offset_or_sequence_number")
        rows = played.after_again["raw.pin"] + played.after_again["raw.pin_stream"]
        keys = {tuple(row[name] for name in key) for row in rows}
        batch = 3 * 250 + 2 * 100 + 2
        assert len(keys) == len(rows)
        assert len({key for key in keys if key[1] == "0"}) == batch - 2

    def test_a_day_begins_at_midnight_utc(self, played: Played) -> None:
        days = {row["ind"]: row["day"] for row in played.after_run["cleaned.pins"]}
        assert (days[900], days[901]) == (BEFORE, DAY)

    def test_text_of_every_script_is_kept(self, played: Played) -> None:
        titles = {row["ind"]: row["title"] for row in played.after_run["cleaned.pins"]}
        assert [titles[1000 + 2 * number] for number in range(len(TEXTS))] == list(TEXTS)

    def test_bytes_that_are_not_text_are_kept(self, played: Played) -> None:
        rows = played.after_continuing["cleaned.quarantine"]
        kept = {row["value_bytes"] for row in rows if row["reason"] == "not UTF-8"}
        assert kept == {b"\xff\xfe{}", b"\xff\xfe not UTF-8"}

    def test_medians_are_exact(self, played: Played) -> None:
        """Of odd and even numbers of posts, with ties."""
        posts = [row for row in played.after_run["analytics.posts"] if _counts(row)]
        per = ("joining_year", "age_group")
        expected = [
            (*key, statistics.median(row["follower_count"] for row in rows))
            for key, rows in groupby(sorted(posts, key=lambda row: _key(row, per)), _keyed(per))
        ]
        name = "analytics.median_followers_by_joining_year_and_age_group"
        assert [tuple(row.values()) for row in played.after_run[name]] == expected
        assert any(median % 1 for *_, median in expected)


def _counts(row: Row) -> bool:
    return (
        row["follower_count"] is not None
        and row["age_group"] is not None
        and row["joining_year"] is not None
        and 2015 <= row["joining_year"] <= 2020
    )


def _key(row: Row, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def _keyed(names: tuple[str, ...]) -> Any:
    return lambda row: _key(row, names)
