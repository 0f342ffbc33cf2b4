"""Measures runs started from the UI, with one engine per run and with a shared Sail server.

    .venv/bin/python bench/ui.py --posts 1000 --runs 4

Prints the median seconds from launch to end, and how long the run's process works, for each.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import requests
from dagster_graphql import DagsterGraphQLClient, DagsterGraphQLClientError

sys.path.insert(0, str(Path(__file__).parent))

from pipeline import land

from local_servers.dagster_home import instance_at

PORT = 3999


def measured(home: str, runs: int, *options: str) -> list[tuple[float, float]]:
    """Seconds from launch to end, and from the process's start to end, of each run."""
    command = [sys.executable, "-m", "pinterest_platform", "ui", "--port", str(PORT), *options]
    environment = os.environ | {"PINTEREST_HOME": home, "DAGSTER_HOME": f"{home}/dagster"}
    ui = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        client = _client(ui)
        with instance_at(Path(home, "dagster")) as instance:
            return [_run(client, instance) for _ in range(runs)]
    finally:
        ui.send_signal(signal.SIGINT)
        ui.wait()


def _client(ui: "subprocess.Popen[bytes]") -> DagsterGraphQLClient:
    while ui.poll() is None:
        with suppress(DagsterGraphQLClientError, requests.RequestException):
            requests.get(f"http://127.0.0.1:{PORT}/server_info", timeout=5)
            return DagsterGraphQLClient("127.0.0.1", port_number=PORT)
        # Dagster does not report that it serves requests.
        time.sleep(0.2)
    raise SystemExit("the UI ended")


def _run(client: DagsterGraphQLClient, instance: dg.DagsterInstance) -> tuple[float, float]:
    # Sensors would request runs of their own, and the measured ones would wait for them.
    # Dagster's API has no call that waits for a run, so both loops poll.
    while not all(run.is_finished for run in instance.get_runs()):
        time.sleep(0.1)
    today = datetime.now(UTC).date().isoformat()
    launched = time.time()
    run_id = client.submit_job_execution("arrivals_to_analytics", tags={"dagster/partition": today})
    while client.get_run_status(run_id).value not in ("SUCCESS", "FAILURE", "CANCELED"):
        time.sleep(0.05)
    run = instance.get_run_record_by_id(run_id)
    if run is None or not run.start_time or not run.end_time or not run.dagster_run.is_success:
        raise SystemExit(f"the run {run_id} failed: see it in {instance.root_directory}")
    return run.end_time - launched, run.end_time - run.start_time


def main() -> None:
    """Land posts in a temporary home, and run from the UI in both ways."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--posts", type=int, default=1_000)
    arguments.add_argument("--runs", type=int, default=4)
    chosen = arguments.parse_args()
    for name, options in (
        ("an engine in each run", ()),
        ("a shared Sail server", ("--shared-sail",)),
    ):
        with tempfile.TemporaryDirectory() as home:
            land(Path(home) / "landing", chosen.posts, 500)
            whole, working = zip(*measured(home, chosen.runs, *options), strict=True)
        print(
            f"{name}: {statistics.median(whole):.1f} s from the launch, "
            f"{statistics.median(working):.1f} s in the run"
        )


if __name__ == "__main__":
    main()
