"""The Dagster instance of a home, including homes of earlier versions."""

from pathlib import Path

import pytest

from pinterest_platform.runs.instance import instance_of
from pinterest_platform.runs.launcher import WatchedRunLauncher
from pinterest_platform.settings import load


def test_a_home_from_before_the_launcher_moved_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    configuration = tmp_path / "dagster.yaml"
    configuration.write_text(
        "# ours\n"
        "telemetry:\n"
        "  enabled: false\n"
        "run_launcher:\n"
        "  module: pinterest_platform.launcher\n"
        "  class: WatchedRunLauncher\n"
    )

    with instance_of(load()) as instance:
        assert isinstance(instance.run_launcher, WatchedRunLauncher)

    assert configuration.read_text().startswith("# ours\n")
