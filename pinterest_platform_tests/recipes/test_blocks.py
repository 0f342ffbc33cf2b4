"""The recipes' text: which there are, and the files that they list."""

import pytest

from pinterest_platform_tests.recipes.blocks import recipes


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
