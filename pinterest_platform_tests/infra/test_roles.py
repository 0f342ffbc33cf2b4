"""Each role under moto's evaluation of policies: it can do its work and nothing else.

moto checks actions, for S3 also resources, and no conditions. So its server checks actions of
Kinesis here, and its evaluation of a single policy checks the streams.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from botocore.exceptions import ClientError
from moto.iam.access_control import IAMPolicy, PermissionResult

from pinterest_platform_tests.gateway.conftest import DEADLINE_SECONDS, Gateway
from pinterest_platform_tests.infra.templates import Deployment
from pinterest_platform_tests.landing import as_json, geo, pin, user
from pinterest_platform_tests.local_aws import CREDENTIALS, client
from pinterest_platform_tests.process import Pinterest


@contextmanager
def acting_as(deployment: Deployment, stack: str, role: str) -> Iterator[dict[str, str]]:
    """The environment of an assumed role, while policies are enforced."""
    named = deployment.physical(stack, role)
    arn = client("iam", deployment.endpoint).get_role(RoleName=named)["Role"]["Arn"]
    narrow = _policies(deployment, named)
    _store(deployment, named, _for_all_streams(narrow))
    given = client("sts", deployment.endpoint).assume_role(RoleArn=arn, RoleSessionName="tests")
    enforce = f"{deployment.endpoint}/moto-api/reset-auth"
    requests.post(enforce, data=b"0", timeout=DEADLINE_SECONDS).raise_for_status()
    try:
        yield CREDENTIALS | {
            "AWS_ENDPOINT_URL": deployment.endpoint,
            "AWS_ACCESS_KEY_ID": given["Credentials"]["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": given["Credentials"]["SecretAccessKey"],
            "AWS_SESSION_TOKEN": given["Credentials"]["SessionToken"],
        }
    finally:
        requests.post(enforce, data=b"inf", timeout=DEADLINE_SECONDS).raise_for_status()
        _store(deployment, named, narrow)


def _policies(deployment: Deployment, role: str) -> dict[str, Any]:
    iam = client("iam", deployment.endpoint)
    return {
        name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
    }


def _store(deployment: Deployment, role: str, policies: dict[str, Any]) -> None:
    iam = client("iam", deployment.endpoint)
    for name, document in policies.items():
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))


def _for_all_streams(policies: dict[str, Any]) -> dict[str, Any]:
    """For moto, which checks an action of Kinesis against all resources."""
    wide = deepcopy(policies)
    for document in wide.values():
        for statement in document["Statement"]:
            if "kinesis:" in json.dumps(statement["Action"]):
                statement["Resource"] = "*"
    return wide


def permits(deployment: Deployment, stack: str, role: str, action: str, stream: str) -> bool:
    """Whether a policy of a role allows an action of Kinesis on a stream."""
    [policy] = _policies(deployment, deployment.physical(stack, role)).values()
    account = client("sts", deployment.endpoint).get_caller_identity()["Account"]
    arn = f"arn:aws:kinesis:{CREDENTIALS['AWS_REGION']}:{account}:stream/{stream}"
    result = IAMPolicy(json.dumps(policy)).is_action_permitted(f"kinesis:{action}", arn)
    return bool(result == PermissionResult.PERMITTED)


def as_client(service: str, environment: dict[str, str]) -> Any:
    return boto3.client(
        service,
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=environment["AWS_SESSION_TOKEN"],
    )


def is_denied(action: Callable[..., Any], **parameters: Any) -> bool:
    try:
        action(**parameters)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status != 403:
            raise
        return True
    return False


@pytest.fixture
def places(deployment: Deployment) -> dict[str, str]:
    return {
        name: deployment.physical("Storage", name) for name in ("Landing", "Lake", "ComputeLogs")
    }


def test_the_gateway_writes_landing_objects_and_cannot_delete_any(
    deployment: Deployment, places: dict[str, str]
) -> None:
    settings = deployment.environment()
    with acting_as(deployment, "Gateway", "GatewayRole") as role:
        with Gateway(settings["PINTEREST_LANDING"], **settings | role) as gateway:
            assert gateway.get("/health").status_code == 200
            assert gateway.post([{"value": {"index": 1}}]).status_code == 200
            assert gateway.post([{"value": {"index": 2}}]).json()["offsets"][0]["offset"] == 1
        s3 = as_client("s3", role)
        [first, _] = s3.list_objects_v2(Bucket=places["Landing"], Prefix="topics/")["Contents"]
        assert is_denied(s3.delete_object, Bucket=places["Landing"], Key=first["Key"])
        assert is_denied(s3.put_object, Bucket=places["Landing"], Key="elsewhere", Body=b"x")
        assert is_denied(s3.list_objects_v2, Bucket=places["Lake"])
        assert is_denied(as_client("kinesis", role).list_streams)


@pytest.mark.parametrize(
    ("stack", "role", "allowed"),
    [
        (
            "Api",
            "Role",
            {"PutRecord", "PutRecords", "CreateStream", "DescribeStream", "DeleteStream"},
        ),
        ("Access", "Emulator", {"CreateStream", "DescribeStream", "DeleteStream"}),
        (
            "Access",
            "Dagster",
            {"DescribeStreamSummary", "ListShards", "GetShardIterator", "GetRecords"},
        ),
    ],
)
def test_a_role_has_its_own_streams_and_no_others(
    deployment: Deployment, stack: str, role: str, allowed: set[str]
) -> None:
    actions = {"PutRecord", "PutRecords", "GetRecords", "MergeShards", "DeleteStream"} | allowed
    for stream, expected in (
        ("streaming-pinterest-pin", allowed),
        ("streaming-pinterest-user", allowed),
        ("streaming-pinterest-other", set()),
        ("others", set()),
    ):
        assert {
            action for action in actions if permits(deployment, stack, role, action, stream)
        } == expected


def test_the_emulator_may_list_streams_but_not_write_to_them(
    deployment: Deployment, tmp_path: Path
) -> None:
    with acting_as(deployment, "Access", "Emulator") as role:
        pinterest = Pinterest(tmp_path / "home", **deployment.environment() | role)
        listed = pinterest("streams", "list")
        assert "streaming-pinterest-geo" in listed.stdout, listed.stderr
        kinesis = as_client("kinesis", role)
        record = {"Data": b"x", "PartitionKey": "k"}
        assert is_denied(kinesis.put_record, StreamName="streaming-pinterest-pin", **record)


def test_dagster_builds_the_tables_and_cannot_change_landing_objects(
    deployment: Deployment, places: dict[str, str], tmp_path: Path
) -> None:
    s3 = client("s3", deployment.endpoint)
    kinesis = client("kinesis", deployment.endpoint)
    for kind, record in (("pin", pin), ("geo", geo), ("user", user)):
        key = f"topics/pinterest.{kind}/partition=1/pinterest.{kind}+1+0000000000.json"
        s3.put_object(Bucket=places["Landing"], Key=key, Body=as_json(record(1)) + b"\n")
        kinesis.put_record(
            StreamName=f"streaming-pinterest-{kind}", Data=as_json(record(2)), PartitionKey="k"
        )
    with acting_as(deployment, "Access", "Dagster") as role:
        pinterest = Pinterest(tmp_path / "home", **deployment.environment() | role)
        ended = pinterest("run")
        assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
        rows = pinterest.query("SELECT ind FROM analytics.posts WHERE category IS NOT NULL")
        assert {row["ind"] for row in rows} >= {1, 2}

        own = as_client("s3", role)
        assert is_denied(own.delete_object, Bucket=places["Landing"], Key=key)
        assert is_denied(own.put_object, Bucket=places["Landing"], Key=key, Body=b"x")
        assert not is_denied(own.put_object, Bucket=places["ComputeLogs"], Key="a", Body=b"x")
        streams = as_client("kinesis", role)
        assert is_denied(streams.delete_stream, StreamName="streaming-pinterest-pin")
