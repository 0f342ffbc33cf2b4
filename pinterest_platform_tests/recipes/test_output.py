"""A twelfth output, from landing objects to its table."""

from pathlib import Path

from pinterest_platform_tests.landing import NOON, geo, land, pin
from pinterest_platform_tests.process import BIN
from pinterest_platform_tests.recipes.copies import Copy

OUTPUT = "A twelfth output"

ABOVE = "raw/pin,raw/geo,cleaned/pins,cleaned/geolocations,analytics/posts"


def test_a_run_makes_its_rows(tmp_path: Path) -> None:
    copy = Copy(tmp_path, OUTPUT)
    pins = [pin(ind, category="art") for ind in range(3)]
    places = [geo(ind, country=country) for ind, country in enumerate(("Chad", "Peru", "Chad"))]
    land(copy.home / "landing", "pinterest.pin", 0, pins)
    land(copy.home / "landing", "pinterest.geo", 0, places)

    day = NOON.date().isoformat()
    ran = copy("run", "--day", day, "--select", f"{ABOVE},analytics/countries_by_category")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert copy.query("SELECT * FROM analytics.countries_by_category") == [
        {"category": "art", "country_count": 2}
    ]


def test_its_own_tests_pass(tmp_path: Path) -> None:
    copy = Copy(tmp_path, OUTPUT)
    tests = (
        "tables/test_outputs.py::test_a_country_counts_once_for_a_category",
        "defs/test_definitions.py::test_there_are_twelve_outputs",
    )

    tested = copy.run(
        str(BIN / "pytest"), *(f"{copy.root}/pinterest_platform_tests/{test}" for test in tests)
    )

    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "2 passed" in tested.stdout
