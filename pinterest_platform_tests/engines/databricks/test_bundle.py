"""The job for Databricks' own schedules matches the wheel and its task."""

import argparse
import configparser
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from databricks.sdk.service.jobs import JobSettings

from pinterest_platform import settings
from pinterest_platform.engines.databricks.compute import ENVIRONMENT_VERSION
from pinterest_platform.engines.databricks.task import PARSER
from pinterest_platform.engines.databricks.wheel import task_wheel

BUNDLE = Path(__file__).parents[3] / "infra" / "databricks" / "databricks.yml"


@pytest.fixture(scope="module")
def bundle() -> Any:
    return yaml.safe_load(BUNDLE.read_text())


@pytest.fixture(scope="module")
def task(bundle: Any) -> Any:
    (task,) = bundle["resources"]["jobs"]["arrivals_to_analytics"]["tasks"]
    return task


def test_the_job_has_only_fields_of_the_jobs_api(bundle: Any) -> None:
    job = bundle["resources"]["jobs"]["arrivals_to_analytics"]
    assert JobSettings.from_dict(job).as_dict() == job


def test_it_starts_the_entry_point_of_the_wheel(task: Any) -> None:
    wheel = task_wheel()
    with zipfile.ZipFile(io.BytesIO(wheel.content)) as archive:
        (listed,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        scripts = configparser.ConfigParser()
        scripts.read_string(archive.read(listed).decode())
    work = task["python_wheel_task"]
    assert work["entry_point"] in scripts["console_scripts"]
    assert wheel.name.startswith(work["package_name"] + "-")


def test_it_runs_in_the_environment_of_dagsters_runs(bundle: Any, task: Any) -> None:
    (environment,) = bundle["resources"]["jobs"]["arrivals_to_analytics"]["environments"]
    assert environment["environment_key"] == task["environment_key"]
    assert environment["spec"]["environment_version"] == ENVIRONMENT_VERSION


def test_a_parameter_without_a_value_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        PARSER.parse_args(["PINTEREST_LANDING"])
    assert ended.value.code == 2
    assert "VARIABLE=VALUE" in capsys.readouterr().err


def test_its_variables_are_settings_of_the_platform(
    bundle: Any, task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = {name: each.get("default") for name, each in bundle["variables"].items()}
    parameters = [
        re.sub(r"\$\{var\.(\w+)\}", lambda name: defaults[name[1]] or "s3://posts", parameter)
        if "landing" in parameter
        else re.sub(r"\$\{var\.(\w+)\}", lambda name: defaults[name[1]], parameter)
        for parameter in task["python_wheel_task"]["parameters"]
    ]
    requested: argparse.Namespace = PARSER.parse_args(parameters)
    for name, value in requested.settings:
        field = name.removeprefix("PINTEREST_").lower()
        assert field in {*settings.Settings.model_fields, "aws_region"}, name
        monkeypatch.setenv(name, value)
    loaded = settings.load()
    assert (loaded.engine, loaded.landing) == ("databricks", "s3://posts")
    assert loaded.databricks_catalog == "main"
