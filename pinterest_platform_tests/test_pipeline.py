"""From a source database to the eleven outputs, against an independent reading of the contract."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from pinterest_platform.ingest.landing.layout import LandingKey
from pinterest_platform.tables.catalog import OUTPUTS
from pinterest_platform_tests.landing import as_json, land
from pinterest_platform_tests.local_aws import CREDENTIALS, client, running_moto
from pinterest_platform_tests.oracle import TABLES, expected_outputs, source_rows
from pinterest_platform_tests.process import Pinterest

KINDS = dict(zip(("pin", "geo", "user"), TABLES, strict=True))


def outputs(lake: str, aws: dict[str, str] | None = None) -> dict[str, list[dict[str, Any]]]:
    """The eleven tables, read by another implementation of Delta, in stored order."""
    options = aws and {**aws, "AWS_ALLOW_HTTP": "true"}
    return {
        table.name: DeltaTable(f"{lake}/analytics/{table.name}", storage_options=options)
        .to_pyarrow_table()
        .to_pylist()
        for table in OUTPUTS
    }


def assert_all_as_expected(
    lake: str, database: Path, inds: set[int], aws: dict[str, str] | None = None
) -> None:
    expected = expected_outputs(database, inds)
    found = outputs(lake, aws)
    assert list(expected) == list(found)
    for name, rows in expected.items():
        assert rows, name
        assert found[name] == sorted(rows, key=lambda row: list(row.values())), name


def landed(folder: Path, topic: str) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in (folder / "topics" / topic).rglob("*.json")
        for line in path.read_bytes().splitlines()
    ]


def test_posts_sent_over_http_become_the_expected_outputs(tmp_path: Path) -> None:
    pinterest = Pinterest(tmp_path / "home")
    assert pinterest("seed-db", "--rows", "2000").returncode == 0
    gateway = pinterest.start("gateway", "--port", "0", "--partitions", "2")
    try:
        assert gateway.stdout
        url = gateway.stdout.readline().split()[-1]
        for arguments in (["--posts", "150"], ["--posts", "900", "--batch-size", "30"]):
            options = (*arguments, "--rate", "0", "--gateway", url, "--seed", "7")
            sent = pinterest("emulate", "batch", *options)
            assert sent.returncode == 0, sent.stderr
    finally:
        gateway.send_signal(signal.SIGTERM)
        gateway.communicate(timeout=60)
    ran = pinterest("run")
    assert ran.returncode == 0, ran.stdout + ran.stderr

    pins = landed(tmp_path / "home" / "landing", "pinterest.pin")
    inds = {record["index"] for record in pins}
    assert len(pins) == 1050
    assert pinterest.query("SELECT count(*) AS n FROM raw.pin") == [{"n": 1050}]
    assert pinterest.query(
        "SELECT count(*) AS n, count(DISTINCT ind) AS inds FROM analytics.posts"
    ) == [{"n": len(inds), "inds": len(inds)}]
    assert_all_as_expected(pinterest.lake, pinterest.home / "source.db", inds)
    again = pinterest("run")
    assert (again.returncode, "Nothing new" in again.stdout) == (0, True)


@pytest.fixture
def foreign(tmp_path: Path) -> Pinterest:
    """A source database whose rows land through another sink."""
    pinterest = Pinterest(tmp_path / "home", PINTEREST_ID="0a1b2c")
    assert pinterest("seed-db", "--rows", "3000", "--seed", "5").returncode == 0
    return pinterest


def objects_of(database: Path) -> Iterator[tuple[str, int, int, list[dict[str, Any]]]]:
    """(topic, partition, offset, records): 400 records an object, three partitions."""
    for kind, table in KINDS.items():
        rows = source_rows(database)[table]
        for partition in range(3):
            mine = rows[partition::3]
            for offset in range(0, len(mine), 400):
                yield f"0a1b2c.{kind}", partition, offset, mine[offset : offset + 400]


def land_all(foreign: Pinterest, arrival_of: Callable[[int], datetime]) -> None:
    """Write the objects to the landing folder; ``arrival_of`` takes an object's first offset."""
    for topic, partition, offset, records in objects_of(foreign.home / "source.db"):
        land(
            foreign.home / "landing",
            topic,
            offset,
            records,
            partition=partition,
            arrived_at=arrival_of(offset),
        )


def test_landing_objects_of_another_sink_over_several_days(foreign: Pinterest) -> None:
    database = foreign.home / "source.db"
    now = datetime.now(UTC).replace(hour=0, minute=30)
    land_all(foreign, lambda offset: now - timedelta(days=2 - offset // 400))
    days = [(now - timedelta(days=past)).date().isoformat() for past in range(3)]
    # First the middle day alone, then the rest.
    for arguments in (["--day", days[1]], []):
        ran = foreign("run", *arguments)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    counts = foreign.query(
        "SELECT CAST(day AS STRING) AS day, count(*) AS n FROM raw.pin GROUP BY day"
    )
    assert {row["day"]: row["n"] for row in counts} == {
        days[2]: 1200,
        days[1]: 1200,
        days[0]: 600,
    }
    assert_all_as_expected(foreign.lake, database, set(range(3000)))
    first = outputs(foreign.lake)
    ran = foreign("run", "--from", days[2], "--to", days[0])
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert outputs(foreign.lake) == first


def test_landing_objects_and_lake_on_s3(foreign: Pinterest) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    database = foreign.home / "source.db"
    with running_moto() as endpoint:
        s3 = client("s3", endpoint)
        s3.create_bucket(Bucket="posts")
        for topic, partition, offset, records in objects_of(database):
            s3.put_object(
                Bucket="posts",
                Key=f"arrived/{LandingKey(topic, partition, offset)}",
                Body=b"".join(as_json(record) + b"\n" for record in records),
            )
        aws = CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint}
        foreign.environment |= aws | {
            "PINTEREST_LANDING": "s3://posts/arrived",
            "PINTEREST_LAKE": "s3://posts/lake",
        }
        today = datetime.now(UTC).date().isoformat()
        for command in (["run"], ["maintain"], ["run", "--from", yesterday, "--to", today]):
            ran = foreign(*command)
            assert ran.returncode == 0, ran.stdout + ran.stderr
            assert "maintain" not in command or " -> " in ran.stdout
        assert "testing" not in ran.stdout + ran.stderr
        assert foreign.query("SELECT count(*) AS n FROM raw.user") == [{"n": 3000}]
        assert_all_as_expected("s3://posts/lake", database, set(range(3000)), aws)
    assert not (foreign.home / "lake").exists()


def test_a_killed_run_leaves_nothing_half_done(foreign: Pinterest) -> None:
    """A run is killed at several points; a run without days then completes the tables."""
    database = foreign.home / "source.db"
    arrived_at = datetime.now(UTC)
    land_all(foreign, lambda _: arrived_at)
    for line in ("raw/pin", "cleaned/quarantine", "cleaned/geolocations", "analytics/posts"):
        process = foreign.start("run")
        assert process.stdout
        for printed in process.stdout:
            if line in printed:
                break
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    ran = foreign("run")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Nothing new" not in ran.stdout
    assert foreign.query("SELECT count(*) AS n FROM raw.pin") == [{"n": 3000}]
    assert_all_as_expected(foreign.lake, database, set(range(3000)))
