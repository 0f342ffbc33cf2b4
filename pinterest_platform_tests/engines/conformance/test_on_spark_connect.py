"""The suite on Apache Spark's Spark Connect server, in another time zone."""

from collections.abc import Iterator

import pytest

from local_servers.spark_connect import NO_JAVA, has_java, spark_server
from pinterest_platform_tests.engines.conformance.engine_process import EngineProcess
from pinterest_platform_tests.engines.conformance.scenario import Played, Site, Under, play
from pinterest_platform_tests.engines.conformance.suite import Conformance

pytestmark = pytest.mark.skipif(not has_java(), reason=NO_JAVA)

ELSEWHERE = {"TZ": "America/New_York"}


class TestSparkConnect(Conformance):
    """A Spark Connect server of Apache Spark."""

    @pytest.fixture(scope="class")
    def played(self, site: Site, reference: Played, sail: EngineProcess) -> Iterator[Played]:
        with spark_server(**site.aws, **ELSEWHERE) as url:
            yield play(Under("connect", url, ELSEWHERE), site, site.folder / "connect", sail)
