"""The code of the recipes passes lint."""

from pathlib import Path

from pinterest_platform_tests.process import BIN
from pinterest_platform_tests.recipes.blocks import recipes
from pinterest_platform_tests.recipes.copies import Copy


def test_one_checkout_takes_them_all_and_passes_lint(tmp_path: Path) -> None:
    copy = Copy(tmp_path, *recipes())
    for command in (("check",), ("format", "--check")):
        linted = copy.run(str(BIN / "ruff"), *command, "--no-cache", str(copy.root))
        assert linted.returncode == 0, linted.stdout
