"""Which runs are incremental, and which rebuild their days."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from deltalake import DeltaTable

from pinterest_platform.definitions import defs
from pinterest_platform.defs.jobs import INCREMENTAL_TAGS, JOB
from pinterest_platform.defs.layers import asset_key
from pinterest_platform_tests.landing import land_posts
from pinterest_platform_tests.process import Pinterest

NOW = datetime.now(UTC)
TODAY = NOW.date().isoformat()
MADE = ["raw.pin", "raw.geo", "raw.user", "cleaned.quarantine", "cleaned.pins"]

Run = Callable[..., dict[int, datetime]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Materialise some tables for today in this process; returns ``cleaned_at`` of each pin."""
    monkeypatch.setenv("PINTEREST_HOME", str(tmp_path))
    land_posts(tmp_path / "landing", range(3), arrived_at=NOW)

    def materialize(tags: dict[str, str], config: dict[str, Any] | None = None) -> Any:
        with dg.DagsterInstance.ephemeral() as instance:
            result = (
                defs()
                .resolve_job_def(JOB)
                .execute_in_process(
                    instance=instance,
                    partition_key=TODAY,
                    tags=tags,
                    run_config={"ops": {"cleaned": {"config": config or {}}}},
                    asset_selection=[*map(asset_key, MADE)],
                )
            )
        assert result.success
        pins = DeltaTable(str(tmp_path / "lake" / "cleaned" / "pins")).to_pyarrow_table()
        return {row["ind"]: row["cleaned_at"] for row in pins.to_pylist()}

    return materialize


def test_a_run_with_the_tag_leaves_cleaned_rows_as_they_are(run: Run) -> None:
    first = run(INCREMENTAL_TAGS)
    assert len(first) == 3
    assert run(INCREMENTAL_TAGS) == first


@pytest.mark.parametrize(
    ("tags", "config"),
    [({}, {}), (INCREMENTAL_TAGS, {"full_refresh": True})],
    ids=["by hand", "full refresh"],
)
def test_other_runs_rebuild(run: Run, tags: dict[str, str], config: dict[str, Any]) -> None:
    first = run(INCREMENTAL_TAGS)
    second = run(tags, config)
    assert all(second[ind] > first[ind] for ind in first)


def test_a_run_by_hand_can_add(run: Run) -> None:
    first = run({})
    assert run({}, {"full_refresh": False}) == first


def test_the_command_adds_or_with_full_rebuilds_every_day_with_rows(tmp_path: Path) -> None:
    pinterest = Pinterest(tmp_path / "home")
    land_posts(pinterest.home / "landing", range(3), arrived_at=NOW)
    assert pinterest("run").returncode == 0
    path = str(pinterest.home / "lake" / "cleaned" / "pins")
    first = DeltaTable(path).to_pyarrow_table()["cleaned_at"].to_pylist()
    assert "Nothing new" in pinterest("run").stdout
    assert pinterest("run", "--full").returncode == 0
    assert min(DeltaTable(path).to_pyarrow_table()["cleaned_at"].to_pylist()) > max(first)
