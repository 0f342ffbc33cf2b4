"""Odd records become the same rows, and are quarantined for the same reasons, on every engine.

Each engine has its own process and works while Sail does. ``PINTEREST_ODD_RECORDS=100000``
generates more records.
"""

import os
from collections.abc import Iterator

import pytest

from local_servers.spark_connect import NO_JAVA, has_java
from pinterest_platform_tests.engines.conformance.engine_process import (
    EngineProcess,
    engine_process,
)
from pinterest_platform_tests.engines.conformance.odd_records import (
    RECORDS,
    cleaned,
    fixed,
    generated,
)
from pinterest_platform_tests.engines.conformance.scenario import Site

pytestmark = pytest.mark.skipif(not has_java(), reason=NO_JAVA)

COUNT = int(os.environ.get("PINTEREST_ODD_RECORDS", "1500"))
SEED = 20


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, EngineProcess]]:
    folder = tmp_path_factory.mktemp("odd")
    places = Site(folder, {"AWS_REGION": ""}).places(folder / "lake", folder)
    with (
        engine_process("sail", places, "", {}) as sail,
        engine_process("spark", places, "", {}) as spark,
    ):
        yield {"sail": sail, "spark": spark}


@pytest.mark.parametrize("kind", RECORDS)
def test_each_odd_record_is_the_same_row_or_has_the_same_reason(
    engines: dict[str, EngineProcess], kind: str
) -> None:
    values = [*fixed(), *generated(kind, SEED, COUNT)]
    on_sail, on_spark = (engine(cleaned, kind, values) for engine in engines.values())
    differences = [
        (value[:200], sail, spark)
        for value, sail, spark in zip(values, on_sail, on_spark, strict=True)
        if sail != spark
    ]
    assert differences == []
    assert {"quarantine"} < {row[0] if row[0] == "quarantine" else "row" for row in on_sail}
