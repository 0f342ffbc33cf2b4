"""``pinterest demo``, as a newcomer runs it."""

from itertools import islice
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from deltalake import DeltaTable
from sqlalchemy import create_engine

from local_servers.spark_connect import sail_server
from pinterest_platform.commands.demo import WAVES
from pinterest_platform.emulator.random_posts import posts
from pinterest_platform.tables.catalog import OUTPUTS
from pinterest_platform_tests.process import Pinterest

KINDS = ("pin", "geo", "user")


def rows(pinterest: Pinterest, table: str) -> int:
    count: int = DeltaTable(f"{pinterest.lake}/{table}").to_pyarrow_dataset().count_rows()
    return count


def outputs(pinterest: Pinterest) -> dict[str, list[dict[str, Any]]]:
    """All rows of the eleven tables."""
    return {
        table.name: DeltaTable(f"{pinterest.lake}/analytics/{table.name}")
        .to_pyarrow_table()
        .sort_by([(column.name, "ascending") for column in table.columns])
        .to_pylist()
        for table in OUTPUTS
    }


def demo(home: Path, **settings: str) -> tuple[Pinterest, CompletedProcess[str]]:
    # A user's own AWS and Kafka, which the demo must not use.
    pinterest = Pinterest(
        home,
        AWS_ENDPOINT_URL="http://127.0.0.1:9",
        AWS_PROFILE="mine",
        PINTEREST_KAFKA_BOOTSTRAP="127.0.0.1:9",
        **settings,
    )
    finished = pinterest("demo")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return pinterest, finished


@pytest.fixture(scope="module")
def on_defaults(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Pinterest, CompletedProcess[str]]:
    return demo(tmp_path_factory.mktemp("home"))


def test_the_demo_builds_and_prints_the_eleven_tables_of_all_its_posts(
    on_defaults: tuple[Pinterest, CompletedProcess[str]],
) -> None:
    pinterest, finished = on_defaults
    for table in OUTPUTS:
        number = rows(pinterest, f"analytics/{table.name}")
        assert number > 0
        counted = "1 row" if number == 1 else f"{number:,} rows"
        assert f"{table.full_name} ({counted})" in finished.stdout
    # 2,000 posts, a tenth of them a second time, and those of the streams.
    for kind in KINDS:
        assert rows(pinterest, f"raw/{kind}") == 2200
        assert rows(pinterest, f"raw/{kind}_stream") == 300
    source = create_engine(f"sqlite:///{pinterest.home}/source.db")
    sent = {post.index for wave in WAVES for post in islice(posts(source, wave.seed), wave.posts)}
    created = DeltaTable(f"{pinterest.lake}/analytics/posts").to_pyarrow_table(columns=["ind"])
    assert sorted(created["ind"].to_pylist()) == sorted(sent)
    assert "2,200 posts went through the topics, 300 through the Kinesis streams" in finished.stdout
    assert "Time of each stage" in finished.stdout
    assert "pinterest ui" in finished.stdout

    first_outputs = outputs(pinterest)
    # The local AWS has lost its streams, so this demo recreates them.
    again = pinterest("demo")
    assert again.returncode == 0, again.stdout + again.stderr
    for kind in KINDS:
        assert rows(pinterest, f"raw/{kind}") == 4400
        assert rows(pinterest, f"raw/{kind}_stream") == 600
    assert rows(pinterest, "analytics/posts") == len(sent)
    assert outputs(pinterest) == first_outputs


def test_on_a_running_server_the_demo_builds_the_same_tables(
    on_defaults: tuple[Pinterest, CompletedProcess[str]], tmp_path: Path
) -> None:
    """The server does not know the demo's own AWS, not even from its environment."""
    with sail_server() as remote:
        shared, _ = demo(tmp_path, PINTEREST_ENGINE="connect", PINTEREST_SPARK_REMOTE=remote)
    assert outputs(shared) == outputs(on_defaults[0])
