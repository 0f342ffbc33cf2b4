"""``pinterest run``: materialise assets through Dagster in this process."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import click
import dagster as dg
from rich.console import Console
from rich.markup import escape

from pinterest_platform.commands.console import wide_console
from pinterest_platform.commands.output import visible
from pinterest_platform.defs.staleness import stale
from pinterest_platform.errors import PlatformError
from pinterest_platform.runs import terminal as runs
from pinterest_platform.runs.instance import instance_of
from pinterest_platform.settings import Settings, load

DAY = click.DateTime(["%Y-%m-%d"])


@click.command("run")
@click.option("--day", type=DAY, help="Day to materialise (UTC).")
@click.option("--from", "first", type=DAY, help="First day to materialise.")
@click.option("--to", "last", type=DAY, help="Last day to materialise.")
@click.option("--select", "selection", help="Assets to materialise: raw/pin, 'group:cleaned', ...")
@click.option("--full", is_flag=True, help="Rebuild cleaned tables and posts.")
def command(
    day: datetime | None,
    first: datetime | None,
    last: datetime | None,
    selection: str | None,
    full: bool,
) -> None:
    """Materialise assets; without days, every day with new data (with --full, with any data)."""
    settings = load()
    days = _requested_days(settings, day, first, last)
    assets = runs.selected(selection)
    console = wide_console()
    with instance_of(settings) as instance:
        if any(map(runs.is_daily, assets)):
            if days is None:
                found = stale(settings, instance, full=full)
                days = found.days
                if not days and not (selection is None and found.analytics):
                    console.print("Nothing new has arrived, and every table is up to date.")
                    if hint := runs.misplaced_objects(settings):
                        console.print(f"In {settings.landing}, {hint}.", markup=False)
                    return
        else:
            days = []
        if not materialise(instance, assets, days, console, full=full):
            raise SystemExit(1)


def materialise(
    instance: dg.DagsterInstance,
    assets: set[dg.AssetKey],
    days: Sequence[date],
    console: Console,
    *,
    full: bool = False,
) -> bool:
    """Run each range of consecutive days; the last run includes the assets without days.

    Prints the events of the runs. Returns whether all runs succeeded.
    """
    daily = set(filter(runs.is_daily, assets))
    pieces = runs.consecutive(days)
    works = [(daily, piece) for piece in pieces[:-1]]
    works.append((assets, pieces[-1]) if pieces else (assets - daily, []))
    for keys, piece in works:
        span = f"{piece[0]} to {piece[-1]}" if len(piece) > 1 else "".join(map(str, piece))
        started = datetime.now(UTC)
        result = runs.run(instance, keys, piece, lambda event: _print(event, console), full=full)
        took = (datetime.now(UTC) - started).total_seconds()
        verdict = "[green]succeeded[/]" if result.success else "[red]failed[/]"
        console.print(f"Run {result.run_id[:8]} {span} {verdict} in {took:.1f} s")
        if not result.success:
            for failure in result.failures:
                click.echo(f"Error: {visible(failure)}", err=True)
            return False
    return True


def _requested_days(
    settings: Settings, day: datetime | None, first: datetime | None, last: datetime | None
) -> list[date] | None:
    if day is not None and (first or last):
        raise click.UsageError("--day excludes --from and --to.")
    if (first is None) != (last is None):
        raise click.UsageError("--from and --to need each other.")
    start, end = (first or day), (last or day)
    if start is None or end is None:
        return None
    if start > end:
        raise click.UsageError("--from is after --to.")
    requested = [
        start.date() + timedelta(days=past) for past in range((end.date() - start.date()).days + 1)
    ]
    today = datetime.now(UTC).date()
    for outside in (requested[0], requested[-1]):
        if outside < settings.start_date:
            raise PlatformError(
                f"{outside} is before the first partition {settings.start_date}: "
                "set PINTEREST_START_DATE"
            )
        if outside > today:
            raise PlatformError(
                f"{outside} has not begun: the last partition is today, {today} (UTC)"
            )
    return requested


def _print(event: dg.DagsterEvent, console: Console) -> None:
    if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
        materialization = event.step_materialization_data.materialization
        metadata = {name: entry.value for name, entry in materialization.metadata.items()}
        rows = metadata.get("dagster/partition_row_count", metadata["dagster/row_count"])
        partition = f" {materialization.partition}" if materialization.partition else ""
        name = materialization.asset_key.to_user_string() + partition
        console.print(f"  {name:<62} {rows:>10,} rows {metadata['seconds']:>6.1f} s")
    elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        check = event.asset_check_evaluation_data
        if not check.passed:
            word = "[red]FAILED[/]" if runs.is_error(check.severity) else "[yellow]warning[/]"
            name = f"{check.asset_key.to_user_string()}:{check.check_name}"
            console.print(f"    {word} {name}: {escape(visible(check.description or ''))}")
