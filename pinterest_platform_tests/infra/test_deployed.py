"""The resources of the templates in the local AWS, used by the platform."""

import json
from pathlib import Path

import pytest

from pinterest_platform import settings
from pinterest_platform_tests.gateway.conftest import Gateway
from pinterest_platform_tests.infra.templates import Deployment, read
from pinterest_platform_tests.local_aws import client
from pinterest_platform_tests.process import Pinterest

POSTS = 5

# Resources that moto does not create: when it learns one of them, test it here.
NOT_MADE = {
    "AWS::ApiGateway::GatewayResponse",
    "AWS::ApiGateway::Model",
    "AWS::ApiGateway::RequestValidator",
    "AWS::ApiGateway::Stage",
    "AWS::ApiGateway::VpcLink",
    "AWS::CloudWatch::Alarm",
    "AWS::ElasticLoadBalancingV2::Listener",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SecretsManager::Secret",
}


@pytest.fixture
def pinterest(environment: dict[str, str]) -> Pinterest:
    return Pinterest(Path(environment["PINTEREST_HOME"]), **environment)


def test_moto_creates_all_resources_that_it_knows(deployment: Deployment) -> None:
    assert deployment.expected() - deployment.created() == NOT_MADE


def test_the_outputs_are_settings_of_the_platform(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in deployment.environment().items():
        monkeypatch.setenv(name, value)
    configured = settings.load()
    assert configured.landing == f"s3://{deployment.physical('Storage', 'Landing')}"
    assert configured.lake == f"s3://{deployment.physical('Storage', 'Lake')}"
    assert configured.gateway_url.endswith("/v1")
    assert configured.aws_region == "us-east-1"
    assert configured.id == "pinterest"


def test_with_kafka_its_settings_are_outputs_and_the_sink_is_a_service(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = client("sts", deployment.endpoint).get_caller_identity()["Account"]
    cluster = f"arn:aws:kafka:us-east-1:{account}:cluster/name/uuid"
    with_kafka = {
        "Kafka": "existing",
        "KafkaBootstrap": "broker:9098",
        "KafkaClusterArn": cluster,
        "KafkaClientGroup": "sg-12345678",
        "Id": "other",
    }
    other = Deployment(deployment.endpoint, name="other", **with_kafka)
    for name, value in other.environment().items():
        monkeypatch.setenv(name, value)
    configured = settings.load()
    assert (configured.kafka_bootstrap, configured.kafka_security) == ("broker:9098", "iam")

    ecs = client("ecs", deployment.endpoint)
    commands = {}
    for task in ("GatewayTask", "SinkTask"):
        described = ecs.describe_task_definition(taskDefinition=other.physical("Gateway", task))
        [container] = described["taskDefinition"]["containerDefinitions"]
        commands[container["name"]] = container["command"]
        variables = {one["name"]: one["value"] for one in container["environment"]}
        assert variables["PINTEREST_KAFKA_BOOTSTRAP"] == "broker:9098"
        assert variables["PINTEREST_KAFKA_SECURITY"] == "iam"
    assert commands["sink"] == ["pinterest", "sink"]
    assert commands["gateway"][:2] == ["pinterest", "gateway"]

    iam = client("iam", deployment.endpoint)
    sink = iam.get_role_policy(RoleName=other.physical("Gateway", "SinkRole"), PolicyName="Sink")
    allowed = json.dumps(sink["PolicyDocument"])
    assert f"{cluster.replace(':cluster/', ':topic/')}/other.pin" in allowed
    assert f"{cluster.replace(':cluster/', ':group/')}/other-sink" in allowed


def test_the_gateway_has_its_token_from_a_secret_and_the_balancers_name(
    deployment: Deployment,
) -> None:
    # moto's CloudFormation does not create secrets.
    resources = read("gateway")["Resources"]
    assert resources["Token"]["Properties"]["Name"] == {"Fn::Sub": "${Id}-gateway-token"}
    [template] = resources["GatewayTask"]["Properties"]["ContainerDefinitions"]
    assert template["Secrets"] == [
        {"Name": "PINTEREST_GATEWAY_TOKEN", "ValueFrom": {"Ref": "Token"}}
    ]
    ecs = client("ecs", deployment.endpoint)
    task = deployment.physical("Gateway", "GatewayTask")
    described = ecs.describe_task_definition(taskDefinition=task)["taskDefinition"]
    [container] = described["containerDefinitions"]
    variables = {one["name"]: one["value"] for one in container["environment"]}
    balancer = client("elbv2", deployment.endpoint).describe_load_balancers()["LoadBalancers"][0]
    assert variables["PINTEREST_GATEWAY_HOSTS"] == balancer["DNSName"]
    assert variables["PINTEREST_GATEWAY_STREAMS"] == "none"


@pytest.mark.parametrize(("stack", "role"), [("Gateway", "ExecutionRole"), ("Access", "Emulator")])
def test_the_roles_that_send_or_check_the_token_may_read_it(
    deployment: Deployment, stack: str, role: str
) -> None:
    iam = client("iam", deployment.endpoint)
    name = deployment.physical(stack, role)
    [policy] = iam.list_role_policies(RoleName=name)["PolicyNames"]
    stored = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    [statement] = [one for one in stored["Statement"] if "secretsmanager" in one["Action"]]
    assert statement["Resource"].endswith(":secret:pinterest-gateway-token-??????")


def test_posts_sent_through_the_api_land_in_the_bucket_and_the_streams(
    deployment: Deployment, pinterest: Pinterest, gateway: Gateway
) -> None:
    assert pinterest("seed-db", "--rows", "50").returncode == 0
    for channel in ("batch", "stream"):
        ended = pinterest("emulate", channel, "--posts", str(POSTS), "--rate", "0")
        assert ended.returncode == 0, ended.stderr
    listed = client("s3", deployment.endpoint).list_objects_v2(
        Bucket=deployment.physical("Storage", "Landing"), Prefix="topics/"
    )
    assert {entry["Key"].split("/")[1] for entry in listed["Contents"]} == {
        "pinterest.pin",
        "pinterest.geo",
        "pinterest.user",
    }
    kinesis = client("kinesis", deployment.endpoint)
    for kind in ("pin", "geo", "user"):
        name = f"streaming-pinterest-{kind}"
        found = 0
        for shard in kinesis.list_shards(StreamName=name)["Shards"]:
            iterator = kinesis.get_shard_iterator(
                StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            found += len(kinesis.get_records(ShardIterator=iterator)["Records"])
        assert found == POSTS


def test_the_streams_are_kept_for_a_week_and_found_by_the_command(
    deployment: Deployment, pinterest: Pinterest
) -> None:
    listed = pinterest("streams", "list")
    assert {f"streaming-pinterest-{kind}" for kind in ("pin", "geo", "user")} <= set(
        listed.stdout.split()
    )
    described = json.loads(pinterest("streams", "describe", "streaming-pinterest-pin").stdout)
    assert described["StreamDescription"]["RetentionPeriodHours"] == 168


def test_buckets_are_encrypted(deployment: Deployment) -> None:
    s3 = client("s3", deployment.endpoint)
    for name in ("Landing", "Lake", "ComputeLogs"):
        bucket = deployment.physical("Storage", name)
        assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]


def test_a_role_can_be_assumed_only_by_its_service(deployment: Deployment) -> None:
    iam = client("iam", deployment.endpoint)
    services = {
        ("Gateway", "GatewayRole"): "ecs-tasks.amazonaws.com",
        ("Api", "Role"): "apigateway.amazonaws.com",
        ("Access", "Dagster"): "ecs-tasks.amazonaws.com",
        ("Access", "Emulator"): "ec2.amazonaws.com",
    }
    for (stack, name), service in services.items():
        role = iam.get_role(RoleName=deployment.physical(stack, name))["Role"]
        [statement] = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": service}
