"""The engine as a resource: what Dagster displays, and invalid settings."""

import pytest

from pinterest_platform.defs.resources import EngineResource
from pinterest_platform.errors import PlatformError
from pinterest_platform.settings import load


def test_dagster_does_not_display_the_servers_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PINTEREST_ENGINE", "connect")
    monkeypatch.setenv("PINTEREST_SPARK_REMOTE", "sc://spark:443/;token=geheim")
    settings = load()
    assert "geheim" not in repr(settings)
    resource = EngineResource.of(settings)
    assert "geheim" not in repr(resource)
    assert "geheim" not in str(resource._convert_to_config_dictionary())


@pytest.mark.parametrize("remote", ["http://spark:15002", "spark:15002", "sc://"])
def test_an_invalid_server_url_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, remote: str
) -> None:
    monkeypatch.setenv("PINTEREST_SPARK_REMOTE", remote)
    with pytest.raises(PlatformError) as raised:
        load()
    assert str(raised.value) == (
        "PINTEREST_SPARK_REMOTE cannot be used: a Spark Connect server has the form sc://host:port"
    )
