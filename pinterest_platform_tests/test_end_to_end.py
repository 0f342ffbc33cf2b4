"""From posts over HTTP to the eleven outputs, driven by Dagster's daemon alone."""

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from deltalake import DeltaTable

from pinterest_platform.tables.catalog import OUTPUTS
from pinterest_platform_tests.daemon import Daemon, running_daemon
from pinterest_platform_tests.local_aws import CREDENTIALS, client, running_moto
from pinterest_platform_tests.process import Pinterest
from pinterest_platform_tests.test_pipeline import KINDS, assert_all_as_expected, landed

SHARDS = 4


@contextmanager
def running_gateway(pinterest: Pinterest) -> Iterator[str]:
    """A gateway's URL."""
    gateway = pinterest.start("gateway", "--port", "0", "--partitions", "2")
    try:
        assert gateway.stdout
        yield gateway.stdout.readline().split()[-1]
    finally:
        gateway.send_signal(signal.SIGTERM)
        gateway.communicate(timeout=60)


def emulate(pinterest: Pinterest, gateway: str, posts: int, seed: int) -> None:
    """Post through both channels at once."""
    emulations = [
        pinterest.start(
            *("emulate", channel, "--gateway", gateway, "--posts", str(posts)),
            *("--rate", "0", "--seed", str(seed + number)),
        )
        for number, channel in enumerate(("batch", "stream"))
    ]
    for emulation in emulations:
        _, printed = emulation.communicate(timeout=120)
        assert emulation.returncode == 0, printed


def in_stream(kinesis: Any, name: str) -> list[dict[str, Any]]:
    """All records of a stream."""
    found: list[dict[str, Any]] = []
    for shard in kinesis.list_shards(StreamName=name)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        answer = kinesis.get_records(ShardIterator=iterator)
        assert answer["MillisBehindLatest"] == 0
        found += [json.loads(record["Data"]) for record in answer["Records"]]
    return found


def rows(lake: str, table: str) -> int:
    if not DeltaTable.is_deltatable(f"{lake}/{table}"):
        return 0
    return int(DeltaTable(f"{lake}/{table}").to_pyarrow_dataset().count_rows())


def all_processed(daemon: Daemon, pinterest: Pinterest, records: int, inds: int) -> bool:
    """Whether every record is in its raw table, every post in posts, and no run is active."""
    return (
        all(rows(pinterest.lake, f"raw/{kind}") == records for kind in KINDS)
        and all(rows(pinterest.lake, f"raw/{kind}_stream") == records for kind in KINDS)
        and rows(pinterest.lake, "analytics/posts") == inds
        and bool(daemon.finished_runs())
    )


def nothing_new(daemon: Daemon) -> bool:
    """Whether neither sensor requests a run, and no run is queued or running."""
    reasons = [
        daemon.ticks(sensor)[0].skip_reason or ""
        for sensor in ("landing_arrivals", "stream_arrivals")
    ]
    return all(
        reason.startswith(("Nothing new", "All arrivals are already ingested"))
        for reason in reasons
    ) and bool(daemon.finished_runs())


def test_posts_of_both_channels_are_carried_to_the_outputs_by_the_daemon_alone(
    tmp_path: Path,
) -> None:
    pinterest = Pinterest(tmp_path / "home")
    assert pinterest("seed-db", "--rows", "600").returncode == 0
    with ExitStack() as stack:
        endpoint = stack.enter_context(running_moto())
        pinterest.environment |= CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint}
        kinesis = client("kinesis", endpoint)
        streams = {kind: f"streaming-pinterest-{kind}" for kind in KINDS}
        for stream in streams.values():
            kinesis.create_stream(StreamName=stream, ShardCount=SHARDS)
        gateway = stack.enter_context(running_gateway(pinterest))
        daemon = stack.enter_context(running_daemon(pinterest))

        def sent() -> set[int]:
            """The sent posts, as stored behind the gateway."""
            by_batch = landed(pinterest.home / "landing", "pinterest.pin")
            by_stream = in_stream(kinesis, streams["pin"])
            return {int(record["index"]) for record in (*by_batch, *by_stream)}

        for burst, posts in enumerate((60, 45), start=1):
            emulate(pinterest, gateway, posts, seed=10 * burst)
            inds, records = sent(), (60, 105)[burst - 1]
            daemon.until(
                lambda inds=inds, records=records: all_processed(  # type: ignore[misc]
                    daemon, pinterest, records, len(inds)
                ),
                f"burst {burst} was carried on",
            )
            assert_all_as_expected(pinterest.lake, pinterest.home / "source.db", inds)

        # Once all records are processed, no sensor requests a run.
        daemon.until(lambda: nothing_new(daemon), "both sensors found nothing new")
        assert {run.status for run in daemon.finished_runs()} == {dg.DagsterRunStatus.SUCCESS}
        for table in OUTPUTS:
            assert len(daemon.materialisations(f"analytics/{table.name}")) >= 2
