"""The automation condition of posts and the outputs, tick by tick, on recorded events."""

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
    """Records events in an instance, and evaluates the condition."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.definitions = defs()
        self.result: dg.EvaluateAutomationConditionsResult | None = None
        self.tick()

    def materialized(self, keys: Sequence[dg.AssetKey], *days: str) -> None:
        """Record materialisations of assets, and of daily ones for each of the days."""
        for key in keys:
            for day in days or [DAY]:
                partition = None if key.path[0] == "analytics" else day
                self.instance.report_runless_asset_event(
                    dg.AssetMaterialization(key, partition=partition)
                )

    def tick(self) -> set[dg.AssetKey]:
        """The assets that the next evaluation requests."""
        self.result = dg.evaluate_automation_conditions(
            self.definitions,
            self.instance,
            asset_selection=dg.AssetSelection.groups("analytics"),
            cursor=self.result.cursor if self.result else None,
        )
        return {key for key in [POSTS, *ELEVEN] if self.result.get_num_requested(key)}


@pytest.fixture
def instance() -> Iterator[Instance]:
    """An instance in which all tables were materialised once and nothing is to be requested."""
    with dg.DagsterInstance.ephemeral() as empty:
        instance = Instance(empty)
        instance.materialized([*CLEANED, POSTS, *ELEVEN])
        assert instance.tick() == set()
        yield instance


def test_a_run_that_materialised_everything_is_not_repeated(instance: Instance) -> None:
    instance.materialized([*CLEANED, POSTS, *ELEVEN])
    assert instance.tick() == set()


@pytest.mark.parametrize("day", ["2026-01-01", DAY])
def test_a_cleaned_table_of_any_day_updates_all_analytics_once(
    instance: Instance, day: str
) -> None:
    """Even though most days were never materialised."""
    instance.materialized([PINS], day)
    assert instance.tick() == {POSTS, *ELEVEN}
    assert instance.tick() == set()
    instance.materialized([POSTS, *ELEVEN])
    assert instance.tick() == set()


def test_quarantined_rows_update_no_analytic_table(instance: Instance) -> None:
    instance.materialized([asset_key("cleaned.quarantine")])
    assert instance.tick() == set()


def test_posts_materialised_manually_update_the_outputs(instance: Instance) -> None:
    instance.materialized([POSTS])
    assert instance.tick() == set(ELEVEN)


def test_an_output_materialised_manually_updates_the_outputs_downstream(instance: Instance) -> None:
    instance.materialized([asset_key("analytics.users_joined_by_year")])
    assert instance.tick() == set()
    instance.materialized([asset_key("analytics.category_counts_by_year")])
    assert instance.tick() == {asset_key("analytics.top_category_by_year")}


def test_a_cleaned_table_newer_than_the_analytics_within_one_tick_is_detected(
    instance: Instance,
) -> None:
    instance.materialized([*CLEANED, POSTS, *ELEVEN])
    instance.materialized([PINS])
    assert instance.tick() == {POSTS, *ELEVEN}


def test_a_year_materialised_within_one_tick_is_not_repeated(instance: Instance) -> None:
    days = [str(date(2026, 1, 1) + timedelta(days=past)) for past in range(200)]
    instance.materialized([PINS], *days)
    instance.materialized([POSTS, *ELEVEN])
    assert instance.tick() == set()


def test_analytics_outdated_before_the_first_tick_are_detected() -> None:
    with dg.DagsterInstance.ephemeral() as empty:
        instance = Instance.__new__(Instance)
        instance.instance, instance.definitions, instance.result = empty, defs(), None
        instance.materialized([POSTS, *ELEVEN])
        instance.materialized(CLEANED)
        assert instance.tick() == {POSTS, *ELEVEN}
        assert instance.tick() == set()


def planned(instance: Instance, keys: Sequence[dg.AssetKey]) -> dg.DagsterRun:
    """A started run that plans to materialise some assets."""
    job = instance.definitions.resolve_job_def("arrivals_to_analytics")
    return instance.instance.create_run_for_job(
        job.get_subset(asset_selection=set(keys)),
        tags={"dagster/partition": DAY},
        asset_selection=frozenset(keys),
        status=dg.DagsterRunStatus.STARTED,
    )


def test_the_condition_waits_for_a_run_and_repeats_it_after_a_failure(instance: Instance) -> None:
    """A run that fails after the cleaned tables and before the analytics."""
    run = planned(instance, [*CLEANED, POSTS, *ELEVEN])
    instance.materialized(CLEANED)
    assert instance.tick() == set()
    assert instance.tick() == set()
    instance.instance.report_run_failed(run)
    assert instance.tick() == {POSTS, *ELEVEN}
    assert instance.tick() == set()


def test_the_condition_waits_for_days_of_a_cleaned_table_in_progress(instance: Instance) -> None:
    instance.materialized([PINS])
    run = planned(instance, [PINS])
    assert instance.tick() == set()
    instance.instance.report_run_canceled(run)
    assert instance.tick() == {POSTS, *ELEVEN}
