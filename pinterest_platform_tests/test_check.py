"""`make check` runs the tests that start no process."""

import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent


def test_only_tests_without_servers_are_left() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", "-m", "not server", str(TESTS)],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.returncode == 0, listed.stdout + listed.stderr
    left = {line.partition("::")[0] for line in listed.stdout.splitlines() if "::" in line}
    folder = TESTS.name
    assert f"{folder}/tables/test_pins.py" in left
    assert f"{folder}/defs/test_landing_sensor.py" in left
    # Each starts another kind of server, directly or through a fixture.
    for name in (
        "test_kafka.py",
        "test_local_aws.py",
        "commands/test_ui.py",
        "emulator/test_mysql.py",
        "deploy/test_instance.py",
        "engines/conformance/test_on_spark.py",
        "engines/databricks/test_runs.py",
    ):
        assert not [path for path in left if path.endswith(f"/{name}")], name
