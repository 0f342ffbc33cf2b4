"""A new check, on rows of which one is bad."""

from pathlib import Path

from pinterest_platform_tests.landing import NOON, land, pin
from pinterest_platform_tests.recipes.copies import Copy


def test_a_run_shows_that_it_fails(tmp_path: Path) -> None:
    copy = Copy(tmp_path, "A new check")
    pins = [pin(1), pin(2, image_src="no URL"), pin(3, image_src=None)]
    land(copy.home / "landing", "pinterest.pin", 0, pins)

    ran = copy("run", "--day", NOON.date().isoformat(), "--select", "raw/pin,cleaned/pins")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "warning cleaned/pins:image_is_url: 1 of 3 rows offend" in ran.stdout
