"""The recipes of CONTRIBUTING.md: their blocks, and what a block does to a file."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = ROOT / "CONTRIBUTING.md"

_BLOCK = re.compile(r"^`(\S+)`\n\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| `(\S+)` \|", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block below the name of a file: a new file, or a change to one."""

    file: str
    is_change: bool
    text: str

    @property
    def added(self) -> list[str]:
        """The lines that it adds."""
        lines = self.text.splitlines()
        return [line for line in lines if line.startswith("+")] if self.is_change else lines

    def apply(self, root: Path) -> None:
        """Write the file, or change it at the one place that each hunk fits."""
        path = root / self.file
        if not self.is_change:
            assert not path.exists(), f"{self.file} exists"
            path.write_text(self.text)
            return
        for hunk in re.split(r"^@@\n", self.text, flags=re.MULTILINE):
            # A line without a mark is a blank one that stands around the change.
            lines = [
                (line[0], line[1:]) if line.strip() else (" ", "\n")
                for line in hunk.splitlines(keepends=True)
            ]
            before = "".join(line for mark, line in lines if mark in " -")
            after = "".join(line for mark, line in lines if mark in " +")
            text = path.read_text()
            assert text.count(before) == 1, f"{self.file} has not, or not once:\n{before}"
            path.write_text(text.replace(before, after))


@dataclass(frozen=True)
class Recipe:
    """A section of CONTRIBUTING.md: the files that its table lists, and its blocks."""

    files: list[str]
    blocks: list[Block]


@cache
def recipes() -> dict[str, Recipe]:
    """The recipes by their titles."""
    _, text = TEXT.read_text().split("\n## Recipes\n")
    titles_and_sections = re.split(r"^### (.+)\n", text, flags=re.MULTILINE)[1:]
    return {
        title: Recipe(
            _ROW.findall(section),
            [Block(file, kind == "diff", body) for file, kind, body in _BLOCK.findall(section)],
        )
        for title, section in zip(titles_and_sections[::2], titles_and_sections[1::2], strict=True)
    }
