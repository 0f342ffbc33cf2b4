"""All production components together: MariaDB, Kafka, S3, Kinesis, and Dagster on Postgres."""

from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import pytest
from deltalake import DeltaTable
from sqlalchemy import create_engine

from local_servers.kafka import kafka
from local_servers.spark_connect import NO_JAVA, has_java
from pinterest_platform import local_aws
from pinterest_platform.emulator.random_posts import posts
from pinterest_platform.emulator.seeding import seed_database
from pinterest_platform_tests.deploy.deployment import Deployment, deployment
from pinterest_platform_tests.local_aws import client
from pinterest_platform_tests.mariadb import NO_MARIADB, has_mariadb, mariadb
from pinterest_platform_tests.postgres import NO_POSTGRES, has_postgres, postgres
from pinterest_platform_tests.process import Pinterest
from pinterest_platform_tests.test_pipeline import KINDS, assert_all_as_expected

pytestmark = [
    pytest.mark.skipif(not has_java(), reason=NO_JAVA),
    pytest.mark.skipif(not has_mariadb(), reason=NO_MARIADB),
    pytest.mark.skipif(not has_postgres(), reason=NO_POSTGRES),
]

ROWS, PARTITIONS, SHARDS = 500, 3, 2
LANDING, LAKE, LOGS = "landing", "lake", "logs"


def rows(table: str, aws: dict[str, str]) -> int:
    options = aws | {"AWS_ALLOW_HTTP": "true"}
    if not DeltaTable.is_deltatable(f"s3://{LAKE}/{table}", storage_options=options):
        return 0
    found = DeltaTable(f"s3://{LAKE}/{table}", storage_options=options)
    return int(found.to_pyarrow_dataset().count_rows())


def started(running: Deployment, service: str) -> None:
    running.start(service)
    running.until(lambda: running.is_healthy(service), f"{service} is healthy")


def emulate(pinterest: Pinterest, number: int, seed: int) -> None:
    """Post the same posts through both channels at once."""
    options = ("--posts", str(number), "--rate", "0", "--seed", str(seed))
    emulations = [pinterest.start("emulate", channel, *options) for channel in ("batch", "stream")]
    for emulation in emulations:
        printed, errors = emulation.communicate(timeout=120)
        assert emulation.returncode == 0, printed + errors


def test_posts_of_both_channels_reach_the_outputs_through_the_real_parts(tmp_path: Path) -> None:
    for name in ("mariadb", "kafka", "deployment"):
        (tmp_path / name).mkdir()
    with ExitStack() as stack:
        database = stack.enter_context(mariadb(tmp_path / "mariadb"))
        broker = stack.enter_context(kafka(tmp_path / "kafka"))
        instance = stack.enter_context(postgres())
        aws = stack.enter_context(local_aws.running())
        for bucket in (LANDING, LAKE, LOGS):
            client("s3", aws.endpoint).create_bucket(Bucket=bucket)
        for kind in KINDS:
            broker.create(f"pinterest.{kind}", PARTITIONS)
            client("kinesis", aws.endpoint).create_stream(
                StreamName=f"streaming-pinterest-{kind}", ShardCount=SHARDS
            )
        settings = {
            "PINTEREST_KAFKA_BOOTSTRAP": broker.bootstrap,
            "PINTEREST_LANDING": f"s3://{LANDING}",
            "PINTEREST_LAKE": f"s3://{LAKE}",
        }
        given = settings | instance.environment | aws.environment
        running = stack.enter_context(
            deployment(
                tmp_path / "deployment",
                given | {"DAGSTER_COMPUTE_LOG_BUCKET": LOGS},
                {"PINTEREST_HOME": str(tmp_path / "home")},
            )
        )
        for service in ("gateway", "sink", "code-server"):
            started(running, service)
        running.start("daemon")
        pinterest = Pinterest(
            tmp_path / "home", PINTEREST_GATEWAY_URL=running.gateway, **database.environment
        )
        assert pinterest("seed-db", "--rows", str(ROWS)).returncode == 0

        emulate(pinterest, 60, seed=1)
        running.kill("sink")
        emulate(pinterest, 40, seed=2)
        started(running, "sink")
        running.until(
            lambda: all(
                rows(f"raw/{kind}{channel}", aws.environment) == 100
                for kind in KINDS
                for channel in ("", "_stream")
            ),
            "all that was posted is in the raw tables",
        )

        source = tmp_path / "source.db"
        engine = create_engine(f"sqlite:///{source}")
        seed_database(engine, ROWS, 100)
        sent = {
            post.index
            for seed, number in ((1, 60), (2, 40))
            for post in islice(posts(engine, seed), number)
        }
        running.until(
            lambda: (
                rows("analytics/posts", aws.environment) == len(sent)
                and not instance.query(
                    "SELECT 1 FROM runs WHERE status NOT IN ('SUCCESS', 'FAILURE')"
                )
            ),
            "all posts are in the analytics, and no run waits or works",
        )
        assert instance.query("SELECT count(*) FROM runs WHERE status = 'FAILURE'") == [(0,)]
        assert_all_as_expected(f"s3://{LAKE}", source, sent, aws.environment)
        landed = client("s3", aws.endpoint).list_objects_v2(Bucket=LANDING, Prefix="topics/")
        partitions = {found["Key"].split("/")[2] for found in landed["Contents"]}
        assert partitions == {f"partition={number}" for number in range(PARTITIONS)}
