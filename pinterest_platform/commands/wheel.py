"""``pinterest wheel``: builds the wheel that jobs on Databricks install."""

from pathlib import Path

import click

from pinterest_platform.engines.databricks.wheel import task_wheel


@click.command("wheel")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path("dist"))
def command(folder: Path) -> None:
    """Build the wheel for jobs that Databricks schedules itself (infra/databricks).

    Runs that Dagster submits upload it themselves. Other wheels of the project in FOLDER are
    removed, so that a bundle finds exactly one.
    """
    wheel = task_wheel()
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("pinterest_platform-*.whl"):
        old.unlink()
    (folder / wheel.name).write_bytes(wheel.content)
    click.echo(folder / wheel.name)
