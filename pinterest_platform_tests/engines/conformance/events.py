"""The events of a run in its Dagster instance, without values that differ between runs."""

from pathlib import Path
from typing import Any

from dagster import DagsterEventType

from local_servers.dagster_home import instance_at
from pinterest_platform_tests.rows import VOLATILE

Summary = dict[str, Any]


def materialisations(home: Path) -> dict[str, Summary]:
    """The metadata of each '<asset> [<partition>]' of the only run in a home."""
    found: dict[str, Summary] = {}
    for event in _events(home, DagsterEventType.ASSET_MATERIALIZATION):
        materialized = event.step_materialization_data.materialization
        metadata = {name: entry.value for name, entry in materialized.metadata.items()}
        del metadata["seconds"]
        metadata["dagster/uri"] = str(metadata["dagster/uri"]).removeprefix(str(home))
        metadata["preview"] = _without_times(metadata["preview"])
        found[
            f"{materialized.asset_key.to_user_string()} {materialized.partition or ''}".strip()
        ] = metadata
    return found


def check_evaluations(home: Path) -> dict[str, Summary]:
    """The result of each '<asset>:<check>' of the only run in a home."""
    found: dict[str, Summary] = {}
    for event in _events(home, DagsterEventType.ASSET_CHECK_EVALUATION):
        check = event.asset_check_evaluation_data
        found[f"{check.asset_key.to_user_string()}:{check.check_name}"] = {
            "passed": check.passed,
            "severity": check.severity.value,
            "blocking": check.blocking,
            "description": check.description,
            "metadata": {
                name: _without_times(entry.value) if name == "samples" else entry.value
                for name, entry in check.metadata.items()
            },
        }
    return found


def _events(home: Path, type_: DagsterEventType) -> list[Any]:
    with instance_at(home / "dagster") as instance:
        (run,) = instance.get_runs()
        logged = instance.all_logs(run.run_id, of_type=type_)
        return [entry.dagster_event for entry in logged]


def _without_times(shown: Any) -> list[dict[str, Any]]:
    """The rows of a preview or of samples, without columns that differ between runs."""
    return [
        {name: value for name, value in record.data.items() if name not in VOLATILE}
        for record in shown.records
    ]
