"""The wheel in its own environment, with only its default requirements and no checkout."""

import os
import re
import signal
import subprocess
import sys
import time
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
import requests
from packaging.requirements import Requirement

from pinterest_platform.tables.catalog import TABLES
from pinterest_platform_tests.commands.test_live import free_port
from pinterest_platform_tests.process import BIN, DEADLINE_SECONDS
from pinterest_platform_tests.process_tree import below, is_alive

ROOT = Path(__file__).parents[1]

GRAPH = "{ assetNodes { assetKey { path } repository { location { name } } } }"


def requirements_of(wheel: Distribution) -> set[str]:
    """The distributions that the wheel requires without extras, directly or through others."""
    found: set[str] = set()
    seen = set()
    waiting = [(wheel, frozenset({""}))]
    while waiting:
        of, extras = waiting.pop()
        for required in map(Requirement, of.requires or []):
            marker = required.marker
            if marker and not any(marker.evaluate({"extra": extra}) for extra in extras):
                continue
            found.add(required.name)
            if str(required) not in seen:
                seen.add(str(required))
                waiting.append((distribution(required.name), frozenset({"", *required.extras})))
    return found


def link_requirements(packages: Path) -> None:
    """Make the wheel's default requirements, and no other packages, importable."""
    (information,) = packages.glob("pinterest_platform-*.dist-info")
    for name in requirements_of(Distribution.at(information)):
        installed = distribution(name)
        site = Path(str(installed.locate_file("")))
        for top in {file.parts[0] for file in installed.files or [] if file.parts[0] != ".."}:
            if top != "__pycache__" and not (packages / top).exists():
                (packages / top).symlink_to(site / top)


class Installed:
    """An environment with the wheel, and an empty folder to work in."""

    def __init__(self, folder: Path) -> None:
        uv = str(BIN / "uv")
        wheels, environment = folder / "dist", folder / "environment"
        build = ("build", "--wheel", "--no-build-isolation", "--python", sys.executable)
        self._run(uv, *build, "--out-dir", str(wheels), str(ROOT))
        (wheel,) = wheels.glob("*.whl")
        self._run(uv, "venv", "--python", sys.executable, str(environment))
        python = str(environment / "bin" / "python")
        self._run(uv, "pip", "install", "--offline", "--no-deps", "--python", python, str(wheel))
        (packages,) = environment.glob("lib/python3*/site-packages")
        link_requirements(packages)
        self._program = str(environment / "bin" / "pinterest")
        self.folder = folder / "empty"
        self.folder.mkdir()
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PINTEREST_", "DAGSTER_", "AWS_", "PYTHON"))
        }

    def pinterest(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start the command in the empty folder."""
        return subprocess.Popen(
            [self._program, *arguments],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @staticmethod
    def _run(*command: str) -> None:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=DEADLINE_SECONDS
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"))


def test_the_demo_runs_in_an_empty_folder(installed: Installed) -> None:
    demo = installed.pinterest("demo")
    printed, _ = demo.communicate(timeout=DEADLINE_SECONDS)
    assert demo.returncode == 0, printed
    assert "the eleven tables are ready" in printed
    assert (installed.folder / ".pinterest" / "lake" / "analytics" / "posts").is_dir()
    # The command in its output exists.
    named = re.search(r"The command is (\S+);", printed.replace("\n", ""))
    assert named
    assert Path(named[1]).is_file()


def test_the_ui_serves_every_table_under_the_name_that_it_has_in_a_checkout(
    installed: Installed,
) -> None:
    port = free_port()
    ui = installed.pinterest("ui", "--port", str(port))
    nodes: list[dict[str, dict[str, object]]] = []
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not nodes:
            assert ui.poll() is None, ui.communicate()[0]
            assert time.monotonic() < deadline, "the UI does not show the assets"
            nodes = asset_nodes(f"http://127.0.0.1:{port}/graphql")
        family = below(ui.pid)
        ui.send_signal(signal.SIGINT)
        ui.communicate(timeout=DEADLINE_SECONDS)
    finally:
        ui.kill()
        ui.communicate()
    assert {name.replace(".", "/") for name in TABLES} <= {
        "/".join(node["assetKey"]["path"])  # type: ignore[arg-type]
        for node in nodes
    }
    assert {str(node["repository"]["location"]) for node in nodes} == {
        str({"name": "pinterest_platform"})
    }
    assert not [command for pid, command in family.items() if is_alive(pid)]


def asset_nodes(url: str) -> list[dict[str, dict[str, object]]]:
    """What the UI shows; nothing while it starts."""
    try:
        answer = requests.post(url, json={"query": GRAPH}, timeout=5).json()
    except (requests.RequestException, ValueError):
        time.sleep(0.2)
        return []
    nodes: list[dict[str, dict[str, object]]] = answer["data"]["assetNodes"]
    return nodes
