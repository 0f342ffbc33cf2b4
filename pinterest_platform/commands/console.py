"""The commands' console, and tables for it."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pinterest_platform.commands.output import visible


def wide_console() -> Console:
    """A console that truncates cells only on a terminal, at its width."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=1000)


def as_table(answer: pa.Table) -> Table:
    """A query result as a table for a terminal, with numbers right-aligned."""
    table = Table(box=box.SIMPLE_HEAD)
    for column in answer.schema:
        numeric = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        table.add_column(Text(visible(column.name)), justify="right" if numeric else "left")
    for row in _rows(answer):
        table.add_row(*(Text(visible(_formatted(value))) for value in row))
    return table


def plain(value: Any) -> Any:
    """Convert dates and times to ISO 8601 and bytes to hexadecimal; keep other values."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return value.hex() if isinstance(value, bytes) else value


def _rows(answer: pa.Table) -> "zip[tuple[Any, ...]]":
    return zip(*(column.to_pylist() for column in answer.columns), strict=True)


def _formatted(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return f"{value:,}" if isinstance(value, float) else str(plain(value))
