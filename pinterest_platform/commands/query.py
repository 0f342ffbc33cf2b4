"""``pinterest query``: SQL over the lake, printed as a table, CSV or JSON."""

import csv
import io
import json

import click
import pyarrow as pa

from pinterest_platform.commands.console import as_table, plain, wide_console
from pinterest_platform.engines.engine import engine_of
from pinterest_platform.engines.query import query
from pinterest_platform.settings import load


@click.command("query")
@click.argument("sql")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
)
def command(sql: str, form: str) -> None:
    """Run a query over the lake; tables are raw.pin, cleaned.pins, analytics.posts, ..."""
    settings = load()
    with engine_of(settings) as engine:
        answer = query(engine, sql)
    if form == "table":
        wide_console().print(as_table(answer))
    else:
        click.echo(_as_json(answer) if form == "json" else _as_csv(answer), nl=form == "json")


def _as_json(answer: pa.Table) -> str:
    return json.dumps(answer.to_pylist(), ensure_ascii=False, indent=1, default=plain)


def _as_csv(answer: pa.Table) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(answer.column_names)
    for row in answer.to_pylist():
        writer.writerow(
            json.dumps(value, ensure_ascii=False, default=plain)
            if isinstance(value, list | dict)
            else ("" if value is None else plain(value))
            for value in row.values()
        )
    return text.getvalue()
