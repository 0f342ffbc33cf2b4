"""When posts and the outputs are made without being asked for, tick by tick, on recorded events."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import dagster as dg
import pytest

from pinterest_platform.definitions import defs
from pinterest_platform.defs.layers import asset_key
from pinterest_platform.tables.catalog import OUTPUTS, in_schema

CLEANED = [asset_key(table.full_name) for table in in_schema("cleaned")]
PINS = asset_key("cleaned.pins")
POSTS = asset_key("analytics.posts")
ELEVEN = [asset_key(table.full_name) for table in OUTPUTS]
DAY = "2026-03-04"


class Instance:
    """What happened in an instance, and what the condition makes of it."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.definitions = defs()
        self.result: dg.EvaluateAutomationConditionsResult | None = None
        self.tick()

    def made(self, keys: Sequence[dg.AssetKey], *days: str) -> None:
        """Some assets were made, those of cleaned for days."""
        for key in keys:
            for day in days or [DAY]:
                partition = None if key.path[0] == "analytics" else day
                self.instance.report_runless_asset_event(
                    dg.AssetMaterialization(key, partition=partition)
                )

    def tick(self) -> set[dg.AssetKey]:
        """The assets that the next evaluation asks for."""
        self.result = dg.evaluate_automation_conditions(
            self.definitions,
            self.instance,
            asset_selection=dg.AssetSelection.groups("analytics"),
            cursor=self.result.cursor if self.result else None,
        )
        return {key for key in [POSTS, *ELEVEN] if self.result.get_num_requested(key)}


@pytest.fixture
def instance() -> Iterator[Instance]:
    """All tables were made for a day, and the condition has seen it."""
    with dg.DagsterInstance.ephemeral() as empty:
        instance = Instance(empty)
        instance.made([*CLEANED, POSTS, *ELEVEN])
        assert instance.tick() == set()
        yield instance


def test_a_run_that_made_all_of_it_is_not_repeated(instance: Instance) -> None:
    instance.made([*CLEANED, POSTS, *ELEVEN])
    assert instance.tick() == set()


@pytest.mark.parametrize("day", ["2026-01-01", DAY])
def test_a_cleaned_table_of_any_day_brings_all_of_them_up_to_date_once(
    instance: Instance, day: str
) -> None:
    """Though most days were never made."""
    instance.made([PINS], day)
    assert instance.tick() == {POSTS, *ELEVEN}
    assert instance.tick() == set()
    instance.made([POSTS, *ELEVEN])
    assert instance.tick() == set()


def test_quarantined_rows_are_in_no_analytic_table(instance: Instance) -> None:
    instance.made([asset_key("cleaned.quarantine")])
    assert instance.tick() == set()


def test_posts_made_by_hand_bring_the_outputs_up_to_date(instance: Instance) -> None:
    instance.made([POSTS])
    assert instance.tick() == set(ELEVEN)


def test_an_output_made_by_hand_brings_along_what_is_made_from_it(instance: Instance) -> None:
    instance.made([asset_key("analytics.users_joined_by_year")])
    assert instance.tick() == set()
    instance.made([asset_key("analytics.category_counts_by_year")])
    assert instance.tick() == {asset_key("analytics.top_category_by_year")}


def test_cleaned_after_the_analytics_within_one_tick_is_noticed(instance: Instance) -> None:
    instance.made([*CLEANED, POSTS, *ELEVEN])
    instance.made([PINS])
    assert instance.tick() == {POSTS, *ELEVEN}


def test_a_year_made_within_one_tick_is_not_repeated(instance: Instance) -> None:
    days = [str(date(2026, 1, 1) + timedelta(days=past)) for past in range(200)]
    instance.made([PINS], *days)
    instance.made([POSTS, *ELEVEN])
    assert instance.tick() == set()


def test_what_was_out_of_date_before_the_first_tick_is_noticed() -> None:
    with dg.DagsterInstance.ephemeral() as empty:
        instance = Instance.__new__(Instance)
        instance.instance, instance.definitions, instance.result = empty, defs(), None
        instance.made([POSTS, *ELEVEN])
        instance.made(CLEANED)
        assert instance.tick() == {POSTS, *ELEVEN}
        assert instance.tick() == set()


def planned(instance: Instance, keys: Sequence[dg.AssetKey]) -> dg.DagsterRun:
    """A run about to make some assets, and started."""
    job = instance.definitions.resolve_job_def("arrivals_to_analytics")
    return instance.instance.create_run_for_job(
        job.get_subset(asset_selection=set(keys)),
        tags={"dagster/partition": DAY},
        asset_selection=frozenset(keys),
        status=dg.DagsterRunStatus.STARTED,
    )


def test_a_run_at_work_is_waited_for_and_made_up_for_when_it_fails(instance: Instance) -> None:
    """It failed between the cleaned tables and the analytics."""
    run = planned(instance, [*CLEANED, POSTS, *ELEVEN])
    instance.made(CLEANED)
    assert instance.tick() == set()
    assert instance.tick() == set()
    instance.instance.report_run_failed(run)
    assert instance.tick() == {POSTS, *ELEVEN}
    assert instance.tick() == set()


def test_days_of_a_cleaned_table_in_the_making_are_waited_for(instance: Instance) -> None:
    instance.made([PINS])
    run = planned(instance, [PINS])
    assert instance.tick() == set()
    instance.instance.report_run_canceled(run)
    assert instance.tick() == {POSTS, *ELEVEN}
