"""Tables that are written at the same time: an error in one, and an interrupt."""

import multiprocessing
import os
import signal
from dataclasses import replace
from datetime import date
from pathlib import Path
from threading import Event
from typing import NoReturn

import pytest
from pyspark.sql import DataFrame

from pinterest_platform.build.outcomes import Materialized, Outcome
from pinterest_platform.build.request import Request
from pinterest_platform.build.tables import build
from pinterest_platform.engines.engine import Engine
from pinterest_platform.errors import PlatformError
from pinterest_platform.places import Places
from pinterest_platform.tables.catalog import OUTPUTS, TABLES
from pinterest_platform_tests.build.conftest import Platform
from pinterest_platform_tests.landing import NOON, land_posts

DAY = NOON.date()

DEADLINE_SECONDS = 60

# The exit code of a shell's command after SIGINT.
INTERRUPTED = 130


def made_until_the_error(platform: Platform, *tables: str, days: tuple[date, ...]) -> set[str]:
    """The tables that a request reports as made, although it ends with an error."""
    outcomes: list[Outcome] = []
    with pytest.raises(PlatformError, match="is a file"):
        outcomes.extend(build(platform.spark, platform.places, Request(tables=tables, days=days)))
    return {outcome.table for outcome in outcomes if isinstance(outcome, Materialized)}


def test_an_output_that_cannot_be_written_does_not_hide_the_others(platform: Platform) -> None:
    land_posts(platform.landing, range(20))
    platform.all(DAY)
    broken, *others = (table.full_name for table in OUTPUTS if table.inputs == ("analytics.posts",))
    lake = Path(platform.places.lake)
    (lake / broken.replace(".", "/")).rename(lake / "elsewhere")
    (lake / broken.replace(".", "/")).touch()

    assert made_until_the_error(platform, broken, *others, days=()) == {*others}


def test_an_unwritable_quarantine_stops_all_cleaned_tables(platform: Platform) -> None:
    land_posts(platform.landing, range(20))
    platform.build([*(name for name in TABLES if name.startswith("raw."))], [DAY])
    quarantine = Path(platform.places.lake, "cleaned", "quarantine")
    quarantine.parent.mkdir()
    quarantine.touch()

    assert made_until_the_error(platform, "cleaned.pins", "cleaned.users", days=(DAY,)) == set()


def interrupted(places: Places, slow: str, tables: tuple[str, ...]) -> None:
    """Build tables, one of which sends Ctrl-C to this process and then never ends.

    Exits like the console script: see ``cli.run``.
    """

    def transform(*_: DataFrame, **__: tuple[int, int]) -> NoReturn:
        os.kill(os.getpid(), signal.SIGINT)
        Event().wait()
        raise AssertionError

    TABLES[slow] = replace(TABLES[slow], transform=transform)
    try:
        with Engine("sail", places) as engine:
            list(engine.build(Request(tables=tables)))
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)


def test_an_interrupt_does_not_wait_for_the_other_tables(platform: Platform) -> None:
    land_posts(platform.landing, range(20))
    platform.all(DAY)
    names = tuple(table.full_name for table in OUTPUTS if table.inputs == ("analytics.posts",))
    process = multiprocessing.get_context("spawn").Process(
        target=interrupted, args=(platform.places, names[0], names)
    )
    process.start()
    process.join(DEADLINE_SECONDS)
    ended = process.exitcode
    process.kill()
    assert ended == INTERRUPTED
