"""Measures `pinterest run` as a process, over posts that have landed.

    .venv/bin/python bench/pipeline.py --posts 11000 --per-object 1

Prints the seconds of each run, the first on an empty lake, the second without new records.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from pinterest_platform.emulator.sample import sample
from pinterest_platform.ingest.landing.layout import LandingKey
from pinterest_platform.kinds import KINDS


def land(folder: Path, posts: int, per_object: int) -> None:
    """Write the sample's posts as landing objects of so many records."""
    lines: dict[str, list[str]] = {name: [] for name in KINDS}
    for post in sample(posts, 100):
        for kind, row in post.items():
            lines[kind].append(json.dumps(row, ensure_ascii=False, default=datetime.isoformat))
    for kind, records in lines.items():
        for offset in range(0, posts, per_object):
            path = folder / str(LandingKey(KINDS[kind].topic("pinterest"), 0, offset))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{line}\n" for line in records[offset : offset + per_object]))


def main() -> None:
    """Land the posts in a temporary home, and run twice."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--posts", type=int, default=11_000)
    arguments.add_argument("--per-object", type=int, default=500)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as home:
        land(Path(home) / "landing", chosen.posts, chosen.per_object)
        today = datetime.now(UTC).date().isoformat()
        for what in ("first run", "same day again"):
            started = time.monotonic()
            subprocess.run(
                [sys.executable, "-m", "pinterest_platform", "run", "--day", today],
                env=os.environ | {"PINTEREST_HOME": home, "DAGSTER_HOME": f"{home}/dagster"},
                stdout=subprocess.DEVNULL,
                check=True,
            )
            print(f"{what}: {chosen.posts} posts, {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
