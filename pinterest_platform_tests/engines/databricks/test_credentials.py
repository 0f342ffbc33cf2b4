"""Credentials for S3 and Kinesis: available to tasks, and stored nowhere."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest

from pinterest_platform.ingest.landing.layout import LandingKey
from pinterest_platform_tests.databricks.workspace import DEADLINE_SECONDS
from pinterest_platform_tests.engines.databricks.guarded_aws import GuardedAws, guarded_aws
from pinterest_platform_tests.engines.databricks.site import Site, running_site
from pinterest_platform_tests.landing import as_json, pin
from pinterest_platform_tests.local_aws import client, running_moto
from pinterest_platform_tests.process import Pinterest

KEY_ID = "AKIAGIVENBYTHEPLACE"
SECRET = "hush/that+nobody=sees"
TOKEN = "a-token-of-an-hour"
REGION = "eu-west-1"

STREAM = "streaming-pinterest-pin"
ANY_KEY = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
OBJECT = f"/posts/arrived/{LandingKey('pinterest.pin', 0, 0)}"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """An AWS with a pin in a landing object and another in a stream."""
    with running_moto() as endpoint:
        s3 = client("s3", endpoint)
        s3.create_bucket(Bucket="posts")
        key = OBJECT.removeprefix("/posts/")
        s3.put_object(Bucket="posts", Key=key, Body=as_json(pin(1)) + b"\n")
        kinesis = boto3.client("kinesis", REGION, endpoint_url=endpoint, **ANY_KEY)
        kinesis.create_stream(StreamName=STREAM, ShardCount=1)
        kinesis.put_record(StreamName=STREAM, Data=as_json(pin(2)), PartitionKey="any")
        yield endpoint


@pytest.fixture(scope="module")
def day(moto: str) -> str:
    """The day on which both arrived, by that AWS's clock."""
    return datetime.now(UTC).date().isoformat()


@pytest.fixture
def aws(moto: str, request: pytest.FixtureRequest) -> Iterator[GuardedAws]:
    """An AWS that requires the key and, depending on the parameter, the session token."""
    with guarded_aws(moto, KEY_ID, SECRET, request.param, REGION) as aws:
        yield aws


@pytest.fixture
def site(aws: GuardedAws, tmp_path: Path) -> Iterator[Site]:
    """A workspace with the key in both forms; its tasks and clusters have only the address."""
    with running_site(tmp_path / "site", {"AWS_ENDPOINT_URL": aws.endpoint}) as site:
        site.workspace.secrets["aws-keys"] = {
            "aws_access_key_id": KEY_ID,
            "aws_secret_access_key": SECRET,
        }
        site.workspace.service_credentials["posts-reader"] = {
            "access_key_id": KEY_ID,
            "secret_access_key": SECRET,
            "session_token": TOKEN,
        }
        yield site


@pytest.mark.parametrize(
    ("aws", "setting", "name", "tables"),
    [
        ("", "PINTEREST_DATABRICKS_SECRET_SCOPE", "aws-keys", ["pin"]),
        (TOKEN, "PINTEREST_DATABRICKS_SERVICE_CREDENTIAL", "posts-reader", ["pin", "pin_stream"]),
    ],
    indirect=["aws"],
)
def test_task_and_cluster_have_access_and_no_secret_is_stored(
    aws: GuardedAws, site: Site, day: str, setting: str, name: str, tables: list[str]
) -> None:
    # This process has no key either, only the region, which is not a secret.
    pinterest = site.pinterest(
        **{setting: name}, PINTEREST_LANDING="s3://posts/arrived", AWS_REGION=REGION
    )
    aws.gate.clear()
    selected = ",".join(f"raw/{table}" for table in tables)
    process = pinterest.start("run", "--day", day, "--select", selected)
    assert aws.requested.wait(DEADLINE_SECONDS)
    # By now the task has the key, and Dagster's request is in the volume.
    during = places_of_secrets(site, pinterest, [])
    aws.gate.set()
    printed = process.communicate(timeout=DEADLINE_SECONDS)

    assert process.returncode == 0, printed
    assert [len(site.rows(pinterest, f"raw.{table}")) for table in tables] == [1] * len(tables)
    assert aws.refused == []
    assert f"s3 GET {OBJECT}" in aws.let_in
    assert ("kinesis POST /" in aws.let_in) == ("pin_stream" in tables)
    assert during == []
    assert places_of_secrets(site, pinterest, printed) == []


def places_of_secrets(site: Site, pinterest: Pinterest, printed: Iterable[str]) -> list[str]:
    """The texts that contain a secret: payloads, output, and files of the site."""
    texts = {"submitted": str(site.workspace.submitted).encode(), "said": "".join(printed).encode()}
    folders = [site.workspace.volumes.parent, pinterest.home]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "context.json" for path in files) or printed
    texts |= {str(path): path.read_bytes() for path in files}
    secrets = [secret.encode() for secret in (KEY_ID, SECRET, TOKEN, site.workspace.token)]
    return [place for place, text in texts.items() for secret in secrets if secret in text]


@pytest.mark.parametrize("aws", [""], indirect=True)
@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("PINTEREST_DATABRICKS_SECRET_SCOPE", "no-such-scope"),
        ("PINTEREST_DATABRICKS_SERVICE_CREDENTIAL", "no-such-credential"),
    ],
)
def test_missing_credentials_are_named(site: Site, day: str, setting: str, name: str) -> None:
    pinterest = site.pinterest(
        **{setting: name}, PINTEREST_LANDING="s3://posts/arrived", AWS_REGION=REGION
    )

    ended = pinterest("run", "--day", day, "--select", "raw/pin")

    (line,) = ended.stderr.splitlines()
    assert ended.returncode == 1
    assert name in line
    assert setting in line
