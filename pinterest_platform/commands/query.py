"""``pinterest query``: SQL over the lake, printed as a table, CSV or JSON."""

import csv
import io
import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import click
import pyarrow as pa
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pinterest_platform.engines.engine import Engine, places_of
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
    with Engine(settings.engine, places_of(settings)) as engine:
        answer = query(engine, sql)
    if form == "table":
        wide_console().print(as_table(answer))
    else:
        click.echo(_as_json(answer) if form == "json" else _as_csv(answer), nl=form == "json")


def wide_console() -> Console:
    """A console that cuts cells only where there is a terminal with an edge."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=1000)


def as_table(answer: pa.Table, title: str | None = None) -> Table:
    """The answer as a table for a terminal, numbers to the right."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in answer.schema:
        numeric = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        table.add_column(Text(column.name), justify="right" if numeric else "left")
    for row in answer.to_pylist():
        table.add_row(*(Text(_shown(value)) for value in row.values()))
    return table


def _as_json(answer: pa.Table) -> str:
    return json.dumps(answer.to_pylist(), ensure_ascii=False, indent=1, default=_plain)


def _as_csv(answer: pa.Table) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(answer.column_names)
    for row in answer.to_pylist():
        writer.writerow(
            json.dumps(value, ensure_ascii=False, default=_plain)
            if isinstance(value, list | dict)
            else ("" if value is None else _plain(value))
            for value in row.values()
        )
    return text.getvalue()


def _plain(value: Any) -> Any:
    """Dates and times as ISO 8601, bytes as hexadecimal digits, the rest as it is."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return value.hex() if isinstance(value, bytes) else value


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return f"{value:,}" if isinstance(value, float) else str(_plain(value))
