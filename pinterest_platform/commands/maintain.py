"""``pinterest maintain``: upkeep of the lake and of Dagster's storage, through Dagster."""

import click
import dagster as dg

from pinterest_platform.commands.console import wide_console
from pinterest_platform.commands.output import visible
from pinterest_platform.defs.jobs import MAINTENANCE, OLD_RUNS
from pinterest_platform.runs import terminal as runs
from pinterest_platform.runs.instance import instance_of
from pinterest_platform.settings import load


@click.command("maintain")
def command() -> None:
    """Compact the lake's files, and delete old files, log entries and runs.

    The schedules daily_upkeep and daily_old_runs do the same once a day. The counts include
    replaced files, which are deleted after a week.
    """
    console = wide_console()

    def show(event: dg.DagsterEvent) -> None:
        if event.event_type != dg.DagsterEventType.ASSET_MATERIALIZATION:
            return
        made = event.step_materialization_data.materialization
        found = {name: entry.value for name, entry in made.metadata.items()}
        if "files_before" in found:
            text = (
                f"{found['files_before']:,} -> {found['files_after']:,} files, "
                f"{found['bytes_before']:,} -> {found['bytes_after']:,} bytes"
            )
        else:
            text = f"{found['deleted_runs']:,} old runs deleted, {found['kept_old_runs']:,} kept"
        console.print(f"  {made.asset_key.to_user_string():<30} {text}", markup=False)

    settings = load()
    with instance_of(settings) as instance:
        results = [runs.run(instance, None, [], show, job=job) for job in (MAINTENANCE, OLD_RUNS)]
    for result in results:
        for failure in result.failures:
            click.echo(f"Error: {visible(failure)}", err=True)
    if not all(result.success for result in results):
        raise SystemExit(1)
