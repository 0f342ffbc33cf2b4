"""The command itself: its help, which imports no engine."""

import subprocess
import sys

from pinterest_platform.cli import COMMANDS
from pinterest_platform_tests.process import BIN

HEAVY = (
    "boto3",
    "pyspark",
    "pysail",
    "dagster",
    "pyarrow",
    "sqlalchemy",
    "requests",
    "starlette",
    "obstore",
)


def test_help_lists_every_command() -> None:
    listed = subprocess.run(
        [str(BIN / "pinterest"), "--help"], capture_output=True, text=True, check=True
    )
    for name, (_, text) in COMMANDS.items():
        assert f"{name} " in listed.stdout
        assert text in listed.stdout


def test_help_imports_neither_engine_nor_dagster() -> None:
    code = (
        "import sys; from pinterest_platform.cli import main; "
        "main(['--help'], standalone_mode=False); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"


def test_every_command_explains_itself() -> None:
    for name in COMMANDS:
        displayed = subprocess.run(
            [str(BIN / "pinterest"), name, "--help"], capture_output=True, text=True, check=False
        )
        assert displayed.returncode == 0, displayed.stderr
        assert displayed.stdout.startswith(f"Usage: pinterest {name}")
