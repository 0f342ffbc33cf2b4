"""Runs in this process: finding stale days, and recording runs in the Dagster instance."""

import os
import socket
import uuid
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
from dagster import DagsterEventType, DagsterInstance
from dagster_shared.error import SerializableErrorInfo

from pinterest_platform.definitions import defs
from pinterest_platform.defs.jobs import INCREMENTAL_TAGS, JOB, MAINTENANCE, PROCESS_TAG
from pinterest_platform.defs.layers import table_name
from pinterest_platform.defs.partitions import tags_of
from pinterest_platform.errors import PlatformError
from pinterest_platform.ingest.landing.arrivals import misplaced
from pinterest_platform.object_store import open_store
from pinterest_platform.settings import Settings
from pinterest_platform.tables.catalog import TABLES


@dataclass
class RunResult:
    """Whether a run materialised everything without a failed error check; if not, the messages."""

    run_id: str
    success: bool
    failures: list[str] = field(default_factory=list)


def misplaced_objects(settings: Settings) -> str | None:
    """A hint for the user if no topic has an object and a sink writes elsewhere; else None.

    Raises:
        PlatformError: the landing place cannot be read.
    """
    place = settings.landing
    if not place.startswith("s3://") and not Path(place).exists():
        return None
    return misplaced(open_store(place), settings.topics.values(), place)


def run(
    instance: DagsterInstance,
    assets: Iterable[dg.AssetKey] | None,
    days: Sequence[date],
    on_event: Callable[[dg.DagsterEvent], None],
    *,
    full: bool = False,
    job: str = JOB,
) -> RunResult:
    """Materialise assets of a job, daily ones for a range of consecutive ``days``.

    Without ``assets``, it materialises all of the job's. ``full`` rebuilds cleaned tables and
    posts. ``on_event`` is called with each event of the run as it happens.
    """
    tags = {PROCESS_TAG: f"{socket.gethostname()}:{os.getpid()}"} | tags_of(days)
    if not full:
        tags |= INCREMENTAL_TAGS
    run_id = str(uuid.uuid4())
    failures: list[str] = []

    def listen(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None:
            return
        if event.event_type == DagsterEventType.STEP_FAILURE:
            failures.append(_reason(event))
        elif event.event_type == DagsterEventType.RUN_FAILURE and not failures:
            # The run failed before any step: there is no engine, or the wait was interrupted.
            failures.append(_innermost(event.job_failure_data.error))
        elif event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            # A blocking check fails its step, which reports the failure.
            if not check.passed and is_error(check.severity) and not check.blocking:
                failures.append(
                    f"{check.asset_key.to_user_string()}:{check.check_name}: {check.description}"
                )
        on_event(event)

    instance.add_event_listener(run_id, listen)
    result = (
        defs()
        .resolve_job_def(job)
        .execute_in_process(
            instance=instance,
            run_id=run_id,
            tags=tags,
            asset_selection=None if assets is None else list(assets),
            raise_on_error=False,
            # Dagster's console log would bury the command's own output; the event log has it.
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    )
    distinct = list(dict.fromkeys(failures))
    return RunResult(run_id, result.success and not failures, distinct)


def is_error(severity: dg.AssetCheckSeverity) -> bool:
    """Whether a failed check of this severity is an error, not a warning."""
    return severity == dg.AssetCheckSeverity.ERROR


def consecutive(days: Iterable[date]) -> list[list[date]]:
    """The days, ascending, grouped into ranges without gaps."""
    pieces: list[list[date]] = []
    for day in sorted(days):
        if pieces and pieces[-1][-1] + timedelta(days=1) == day:
            pieces[-1].append(day)
        else:
            pieces.append([day])
    return pieces


def selected(selection: str | None) -> set[dg.AssetKey]:
    """The assets of a Dagster selection: keys, 'group:raw', '+analytics/posts', ...

    Raises:
        PlatformError: the selection is invalid, or selects nothing that can be materialised.
    """
    graph = defs().resolve_asset_graph()
    # Upkeep has its own command.
    makeable = {
        key for key in graph.materializable_asset_keys if graph.get(key).group_name != MAINTENANCE
    }
    if selection is None:
        return makeable
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            keys = {
                key
                for part in selection.split(",")
                for key in dg.AssetSelection.from_string(part.strip()).resolve(graph)
            }
    except Exception as error:
        raise PlatformError(
            f"the selection '{selection}' cannot be read ({str(error).splitlines()[0]}): "
            "name assets such as raw/pin or 'group:cleaned', see `dg list defs`"
        ) from None
    if not keys & makeable:
        raise PlatformError(
            f"the selection '{selection}' contains no asset to materialise: see `dg list defs`; "
            "for the group maintenance, run `pinterest maintain`"
        )
    return set(keys) & makeable


def is_daily(asset: dg.AssetKey) -> bool:
    """Whether the asset is partitioned by day."""
    return TABLES[table_name(asset)].daily


def _reason(event: dg.DagsterEvent) -> str:
    """A step's failure: its own description, or the error it raised."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    return _innermost(data.error)


def _innermost(error: SerializableErrorInfo | None) -> str:
    """The root cause's message, in one line."""
    if error is not None and error.cls_name == "DagsterExecutionInterruptedError":
        return "the run was interrupted; the next run catches up"
    while error is not None and error.cause is not None:
        error = error.cause
    if error is None:
        return "failed without a reason"
    line = error.message.strip().split("\n", 1)[0]
    return line.removeprefix(f"{PlatformError.__module__}.{PlatformError.__name__}: ")
