"""The code location does not import packages that only one engine needs."""

import json
import sys
from pathlib import Path

from pinterest_platform_tests.process import Pinterest

LOAD = """
import json, sys
from pinterest_platform.definitions import defs
assert defs().resolve_asset_graph().materializable_asset_keys
print(json.dumps(sorted(sys.modules)))
"""


def test_the_code_location_imports_only_the_selected_engine(tmp_path: Path) -> None:
    """Each would take seconds."""
    ended = Pinterest(tmp_path / "home").run(sys.executable, "-c", LOAD)

    assert ended.returncode == 0, ended.stderr
    imported = set(json.loads(ended.stdout.splitlines()[-1]))
    assert "pinterest_platform.engines.engine" in imported
    for package in (
        "databricks.sdk",
        "dagster_databricks",
        "dagster_pyspark",
        "moto",
    ):
        assert package not in imported, package
