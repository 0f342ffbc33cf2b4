"""Measures how long a post takes from its arrival to the analytics in `pinterest live`.

    .venv/bin/python bench/live.py --minutes 5

Starts the live mode in a temporary home, lets it run, and then compares the arrival of every record
with the end of the first run that materialised the outputs after the record was ingested.
"""

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from pathlib import Path

import dagster as dg
from deltalake import DeltaTable

from local_servers.dagster_home import instance_at
from pinterest_platform.kinds import KINDS
from pinterest_platform.tables.catalog import OUTPUTS

TABLES = [table.split(".")[1] for kind in KINDS.values() for table in kind.raw_tables]


def free_port() -> int:
    """An unused port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def seconds_to_analytics(home: Path) -> tuple[list[float], int]:
    """Each processed record's seconds from arrival to the last output; the number of runs."""
    with instance_at(home / "dagster") as instance:
        materialized = instance.fetch_materializations(
            dg.AssetKey(["analytics", OUTPUTS[-1].name]), limit=1000
        )
        ends = sorted(record.timestamp for record in materialized.records)
    waits: list[float] = []
    for table in TABLES:
        rows = DeltaTable(str(home / "lake" / "raw" / table)).to_pyarrow_table(
            columns=["arrived_at", "ingested_at"]
        )
        for row in rows.to_pylist():
            carried = bisect_left(ends, row["ingested_at"].timestamp())
            if carried < len(ends):
                waits.append(ends[carried] - row["arrived_at"].timestamp())
    return sorted(waits), len(ends)


def main() -> None:
    """Run the live mode for some minutes, and print the measurements."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=5)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as home:
        live = subprocess.Popen(
            [sys.executable, "-m", "pinterest_platform", "live", "--port", str(free_port())],
            env=os.environ | {"PINTEREST_HOME": home, "DAGSTER_HOME": f"{home}/dagster"},
        )
        # The duration of the measurement.
        time.sleep(60 * chosen.minutes)
        live.send_signal(signal.SIGTERM)
        live.wait()
        waits, runs = seconds_to_analytics(Path(home))
    cuts = statistics.quantiles(waits, n=20)
    print(
        f"{len(waits)} records in {runs} runs, seconds from arrival to the last output: "
        f"median {statistics.median(waits):.1f}, 95% within {cuts[-1]:.1f}, most {waits[-1]:.1f}"
    )


if __name__ == "__main__":
    main()
