"""The suite on Apache Spark in a JVM of the process, in another time zone."""

import pytest

from local_servers.spark_connect import NO_JAVA, has_java
from pinterest_platform_tests.engines.conformance.engine_process import EngineProcess
from pinterest_platform_tests.engines.conformance.scenario import Played, Site, Under, play
from pinterest_platform_tests.engines.conformance.suite import Conformance

pytestmark = pytest.mark.skipif(not has_java(), reason=NO_JAVA)


class TestSpark(Conformance):
    """Apache Spark in the process's own JVM."""

    @pytest.fixture(scope="class")
    def played(self, site: Site, reference: Played, sail: EngineProcess) -> Played:
        elsewhere = Under("spark", environment={"TZ": "America/New_York"})
        return play(elsewhere, site, site.folder / "spark", sail)
