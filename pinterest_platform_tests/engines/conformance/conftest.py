"""The posts, and the reference: Sail's results in a process."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pinterest_platform_tests.engines.conformance.engine_process import (
    EngineProcess,
    engine_process,
)
from pinterest_platform_tests.engines.conformance.posts import (
    fill_streams,
    land_first,
    land_later,
)
from pinterest_platform_tests.engines.conformance.scenario import Played, Site, Under, play
from pinterest_platform_tests.kinesis import turned_kinesis


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    # A folder with a realistic odd name: no engine may read it as a URL, a glob or SQL. delta-rs,
    # the reader of these tests, rejects brackets and decodes %: test_paths.py covers these.
    folder = tmp_path_factory.mktemp("site") / "it's 1 * `pinté`#"
    folder.mkdir()
    with turned_kinesis() as (kinesis, aws), pytest.MonkeyPatch.context() as environment:
        for name in list(os.environ):
            if name.startswith(("PINTEREST_", "DAGSTER_", "AWS_")):
                environment.delenv(name)
        fill_streams(kinesis)
        site = Site(folder, aws)
        land_first(site.first)
        land_first(site.later)
        land_later(site.later)
        yield site


@pytest.fixture(scope="module")
def sail(site: Site) -> Iterator[EngineProcess]:
    """Sail, which takes turns with the engine under test."""
    with engine_process("sail", site.places(Path(), Path()), "", site.aws) as engine:
        yield engine


@pytest.fixture(scope="module")
def reference(site: Site, sail: EngineProcess) -> Played:
    return play(Under("sail", environment={"TZ": "UTC"}), site, site.folder / "reference", sail)
