"""The settings, read from the environment."""

from pathlib import Path

import pytest

from pinterest_platform.errors import PlatformError
from pinterest_platform.settings import load


def test_defaults_lie_below_the_home() -> None:
    settings = load()
    assert settings.lake == str(settings.home / "lake")
    assert settings.landing == str(settings.home / "landing")
    assert (settings.engine, settings.topics["geo"]) == ("sail", "pinterest.geo")


def test_places_are_absolute_whatever_the_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PINTEREST_HOME", "here")
    monkeypatch.setenv("PINTEREST_LAKE", "the/lake")
    monkeypatch.setenv("PINTEREST_LANDING", f"file://{tmp_path}/landed")
    settings = load()
    assert settings.home == tmp_path / "here"
    assert (settings.lake, settings.landing) == (f"{tmp_path}/the/lake", f"{tmp_path}/landed")


def test_years_are_written_as_a_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINTEREST_POST_YEARS", "2017-2019")
    assert load().post_years == (2017, 2019)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PINTEREST_ENGINE", "hunter2"),
        ("PINTEREST_START_DATE", "hunter2"),
        ("PINTEREST_JOINING_YEARS", "hunter2"),
        ("PINTEREST_JOINING_YEARS", "2019"),
        ("PINTEREST_ID", "hunter2/x"),
        ("AWS_ENDPOINT_URL", "u:hunter2@127.0.0.1:1"),
        ("AWS_ENDPOINT_URL_S3", "//u:hunter2@127.0.0.1:1"),
        ("AWS_ENDPOINT_URL_KINESIS", "http://hunter2:port"),
        ("PINTEREST_GATEWAY_TOKEN", "hunter2 "),
        ("PINTEREST_GATEWAY_AUTH", "hunter2"),
        ("PINTEREST_GATEWAY_HOSTS", "hunter2:8082"),
        ("PINTEREST_GATEWAY_STREAMS", "hunter2"),
    ],
)
def test_an_error_names_the_setting_and_not_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(PlatformError, match=name) as raised:
        load()
    assert "hunter2" not in str(raised.value)
