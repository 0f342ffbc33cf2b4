"""The suite on Sail: in the process, in another time zone, and as a server."""

from collections.abc import Iterator

import pytest

from local_servers.spark_connect import sail_server
from pinterest_platform_tests.engines.conformance.engine_process import EngineProcess
from pinterest_platform_tests.engines.conformance.scenario import Played, Site, Under, play
from pinterest_platform_tests.engines.conformance.suite import Conformance

ELSEWHERE = {"TZ": "America/New_York"}


class TestSailInTheProcess(Conformance):
    """Sail, started inside the process."""

    @pytest.fixture(scope="class")
    def played(self, site: Site, reference: Played, sail: EngineProcess) -> Played:
        return play(Under("sail", environment=ELSEWHERE), site, site.folder / "sail", sail)


class TestSailAsServer(Conformance):
    """A Sail server in another process."""

    @pytest.fixture(scope="class")
    def played(self, site: Site, reference: Played, sail: EngineProcess) -> Iterator[Played]:
        with sail_server(**site.aws, **ELSEWHERE) as url:
            yield play(Under("connect", url, ELSEWHERE), site, site.folder / "server", sail)
