"""``pinterest query``: SQL over the lake, printed as a table, CSV or JSON."""

import csv
import io
import json
import re

import click
import pyarrow as pa

from pinterest_platform.commands.console import as_table, plain, wide_console
from pinterest_platform.commands.output import for_terminal
from pinterest_platform.engines.engine import engine_of
from pinterest_platform.lake.query import query
from pinterest_platform.settings import load

# Includes the full-width forms, which spreadsheets accept as well.
_FORMULA_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


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
    """Run a query over the lake; tables are raw.pin, cleaned.pins, analytics.posts, ...

    The query reads the lake and reaches nothing else. In CSV, an apostrophe
    precedes text that a spreadsheet would read as a formula; JSON leaves all text unchanged.
    """
    settings = load()
    with engine_of(settings) as engine:
        answer = query(engine.session, engine.places.lake, sql)
    if form == "table":
        wide_console().print(as_table(answer))
    else:
        text = _as_json(answer) if form == "json" else _as_csv(answer)
        click.echo(for_terminal(text), nl=form == "json")


def _as_json(answer: pa.Table) -> str:
    text = json.dumps(answer.to_pylist(), ensure_ascii=False, indent=1, default=plain)
    # JSON leaves C1 controls unescaped, but some terminals start an escape sequence with one.
    return re.sub("[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _as_csv(answer: pa.Table) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_no_formula, answer.column_names))
    for row in zip(*(column.to_pylist() for column in answer.columns), strict=True):
        writer.writerow(map(_cell, row))
    return text.getvalue()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, str):
        return _no_formula(value)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=plain)
    return plain(value)


def _no_formula(text: str) -> str:
    """The text, prefixed with an apostrophe if a spreadsheet would read it as a formula.

    Source: OWASP, CSV Injection.
    """
    return f"'{text}" if text.startswith(_FORMULA_BEGINNINGS) else text
