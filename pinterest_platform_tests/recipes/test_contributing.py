"""The text of the recipes: what their tables list, and that their code passes lint."""

from pathlib import Path

import pytest

from pinterest_platform_tests.process import BIN
from pinterest_platform_tests.recipes.contributing import Copy, recipes


def test_there_are_four() -> None:
    assert list(recipes()) == [
        "A twelfth output",
        "A new check",
        "A new kind of record",
        "A new engine",
    ]


@pytest.mark.parametrize("title", recipes())
def test_the_table_lists_the_files_of_the_blocks(title: str) -> None:
    recipe = recipes()[title]
    assert recipe.files == [block.file for block in recipe.blocks]


def test_one_checkout_takes_them_all_and_passes_lint(tmp_path: Path) -> None:
    copy = Copy(tmp_path, *recipes())
    for command in (("check",), ("format", "--check")):
        linted = copy.run(str(BIN / "ruff"), *command, "--no-cache", str(copy.root))
        assert linted.returncode == 0, linted.stdout
