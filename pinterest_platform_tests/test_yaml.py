"""No mapping in a YAML file has a key twice: parsers would silently ignore the first one."""

import subprocess
from pathlib import Path

import pytest
import yaml
from yaml.nodes import MappingNode, Node

ROOT = Path(__file__).parents[1]


def files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "*.yaml", "*.yml"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return listed.stdout.splitlines()


def repeated(node: Node | None) -> list[str]:
    """The repeated keys below a node, with their lines."""
    if not isinstance(node, MappingNode):
        children = node.value if isinstance(node, yaml.SequenceNode) else []
        return [found for child in children for found in repeated(child)]
    keys = [key.value for key, _ in node.value]
    here = [
        f"{key.value}, line {key.start_mark.line + 1}"
        for at, (key, _) in enumerate(node.value)
        if key.value in keys[:at]
    ]
    return here + [found for _, value in node.value for found in repeated(value)]


@pytest.mark.parametrize("file", files())
def test_no_key_is_repeated(file: str) -> None:
    for document in yaml.compose_all((ROOT / file).read_text(), yaml.SafeLoader):
        assert repeated(document) == []
