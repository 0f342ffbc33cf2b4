"""A new engine, chosen by PINTEREST_ENGINE."""

import sys
from pathlib import Path

import pytest

from pinterest_platform_tests.landing import NOON, land, pin
from pinterest_platform_tests.recipes.copies import Copy

NAME = "sail_cluster"

OPEN = """
from pinterest_platform.engines.engine import engine_of
from pinterest_platform.settings import load
with engine_of(load()) as engine:
    print(engine.type.name, engine.session.range(3).count())
"""


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path, "A new engine")


def test_the_setting_chooses_it_and_it_opens_a_session(copy: Copy) -> None:
    opened = copy.run(sys.executable, "-P", "-c", OPEN, PINTEREST_ENGINE=NAME)
    assert (opened.returncode, opened.stdout) == (0, f"{NAME} 3\n"), opened.stderr


def test_a_run_on_it_makes_rows(copy: Copy) -> None:
    land(copy.home / "landing", "pinterest.pin", 0, [pin(1), pin(2)])

    day = NOON.date().isoformat()
    ran = copy("run", "--day", day, "--select", "raw/pin", PINTEREST_ENGINE=NAME)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert copy.query("SELECT count(*) AS n FROM raw.pin") == [{"n": 2}]
