"""What the documents name: modules, what is defined in them, and the files that they link."""

import ast
import re
from pathlib import Path

import pytest

from pinterest_platform_tests.recipes.blocks import recipes

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pinterest_platform"

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
OF_MODULES = [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md"]

FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
# `defs/layers.py`, `defs/`
NAMED = re.compile(r"`([\w./-]+(?:\.py|\.sql|/))`")
# `defs/layers.py` (`layer`, `materialise`)
DEFINED = re.compile(r"`([\w./]+\.py)` \(((?:`\w+`(?:, )?)+)\)")
LINKED = re.compile(r"\]\(([^)#:]+)\)")


def found(name: str) -> Path | None:
    """The file or folder of that name, from the checkout or from the package."""
    return next((path for path in (ROOT / name, PACKAGE / name) if path.exists()), None)


def defined_in(module: Path) -> set[str]:
    """The names that a module defines."""
    names = set()
    for node in ast.parse(module.read_text()).body:
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return names


@pytest.mark.parametrize("document", OF_MODULES, ids=lambda path: path.name)
def test_every_module_named_is_there(document: Path) -> None:
    text = FENCED.sub("", document.read_text())
    created = {
        block.file
        for recipe in recipes().values()
        for block in recipe.blocks
        if not block.is_change
    }
    named = NAMED.findall(text)
    assert named
    assert [name for name in named if not found(name) and name not in created] == []


@pytest.mark.parametrize("document", OF_MODULES, ids=lambda path: path.name)
def test_every_name_is_defined_in_its_module(document: Path) -> None:
    missing = [
        f"{module}: {name}"
        for module, names in DEFINED.findall(document.read_text())
        for name in re.findall(r"\w+", names)
        if name not in defined_in(found(module) or Path(module))
    ]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file(document: Path) -> None:
    links = LINKED.findall(document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []
