"""Measures each engine: opening its session, and a `pinterest run` process over landed posts.

    .venv/bin/python bench/engines.py --posts 11000 1000000

Prints a Markdown table. The servers of the engine connect are started before the measurement; the
one of Apache Spark has built the tables of another lake once, like a server that is warmed up.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from pipeline import land

from local_servers.spark_connect import sail_server, spark_server

SESSION = """
import time
from pinterest_platform.engines.engine import engine_of
from pinterest_platform.settings import load
started = time.monotonic()
with engine_of(load()) as engine:
    engine.session.sql("SELECT 1").collect()
    print(time.monotonic() - started)
"""


@contextmanager
def engines() -> Iterator[dict[str, dict[str, str]]]:
    """The settings of each engine, by its name in the table."""
    with ExitStack() as stack:
        sail, spark = stack.enter_context(sail_server()), stack.enter_context(spark_server())
        yield {
            "`sail`": {"PINTEREST_ENGINE": "sail"},
            "`connect` to a running Sail": _connect(sail),
            "`spark`": {"PINTEREST_ENGINE": "spark"},
            "`connect` to a running Spark": _connect(spark),
        }


def _connect(remote: str) -> dict[str, str]:
    return {"PINTEREST_ENGINE": "connect", "PINTEREST_SPARK_REMOTE": remote}


def _session(settings: dict[str, str]) -> float:
    finished = subprocess.run(
        [sys.executable, "-c", SESSION],
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        check=True,
    )
    return float(finished.stdout)


def _run(settings: dict[str, str], posts: int) -> float:
    with tempfile.TemporaryDirectory() as home:
        land(Path(home) / "landing", posts, 500)
        today = datetime.now(UTC).date().isoformat()
        environment = {"PINTEREST_HOME": home, "DAGSTER_HOME": f"{home}/dagster"}
        started = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "pinterest_platform", "run", "--day", today],
            env=os.environ | environment | settings,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return time.monotonic() - started


def main() -> None:
    """Measure every engine, one after the other."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--posts", type=int, nargs="+", default=[11_000])
    chosen = arguments.parse_args()
    print("| engine | session |", *(f"{posts:,} posts |" for posts in chosen.posts))
    print("| --- |", "--- | " * (len(chosen.posts) + 1))
    with engines() as found:
        for name, settings in found.items():
            if "running Spark" in name:
                _run(settings, 100)
            session = _session(settings)
            runs = [_run(settings, posts) for posts in chosen.posts]
            print(f"| {name} | {session:.1f} s |", *(f"{run:.0f} s |" for run in runs), flush=True)


if __name__ == "__main__":
    main()
