"""The templates of ``infra/aws``, parsed and deployed to the local AWS."""

import json
from ast import literal_eval
from pathlib import Path
from string import Template
from typing import Any

from cfnlint.decode import decode

from pinterest_platform_tests.local_aws import CREDENTIALS, client

FOLDER = Path(__file__).parents[2] / "infra" / "aws"
README = FOLDER.parent / "README.md"
PATHS = sorted(FOLDER.glob("*.yaml"))

# moto treats every load balancer as HTTP, and refuses listeners with another protocol.
REFUSED = {"AWS::ElasticLoadBalancingV2::Listener"}

REGION = CREDENTIALS["AWS_REGION"]

# moto has no MSK and no Fn::Cidr: the platform is deployed into moto's default VPC.
PARAMETERS = {
    "Image": "pinterest:test",
    "ClientCidrs": "192.0.2.7/32",
    "Kafka": "none",
}


def read(name: str) -> dict[str, Any]:
    """A template with the long form of all functions, as plain JSON types."""
    template, problems = decode(str(FOLDER / f"{name}.yaml"))
    assert not problems, problems
    plain: dict[str, Any] = json.loads(json.dumps(template, default=str))
    return plain


def resources() -> list[tuple[str, str, dict[str, Any]]]:
    """(template, logical id, resource) of all templates."""
    return [
        (path.stem, name, resource)
        for path in PATHS
        for name, resource in read(path.stem)["Resources"].items()
    ]


def statements(resource: dict[str, Any]) -> list[dict[str, Any]]:
    """All policy statements of a resource, with the trust policy of a role."""
    found: list[dict[str, Any]] = []

    def look(value: Any) -> None:
        if isinstance(value, dict):
            if "Effect" in value:
                found.append(value)
            else:
                for part in value.values():
                    look(part)
        elif isinstance(value, list):
            for part in value:
                look(part)

    look(resource.get("Properties", {}))
    return found


class Deployment:
    """The deployed root template: each nested stack is a stack in moto, after those that it needs.

    moto creates nested stacks without outputs: the parameters and outputs of the root template are
    computed here.
    """

    def __init__(self, endpoint: str, *, name: str = "pinterest", **parameters: str) -> None:
        self.endpoint = endpoint
        self._name = name
        self._root = read("platform")
        self._cloudformation = client("cloudformation", endpoint)
        subnets = client("ec2", endpoint).describe_subnets()["Subnets"][:3]
        self._parameters = (
            {name: str(value.get("Default")) for name, value in self._root["Parameters"].items()}
            | PARAMETERS
            | {
                "VpcId": subnets[0]["VpcId"],
                "SubnetIds": ",".join(subnet["SubnetId"] for subnet in subnets),
                "AWS::Region": REGION,
            }
            | parameters
        )
        self._nested: dict[str, dict[str, str]] = {}
        for name in self._root["Resources"]:
            self._outputs_of(name)

    def environment(self) -> dict[str, str]:
        """The platform's variables: the outputs whose description is a variable's name."""
        return {
            output["Description"]: self._value(output["Value"])
            for output in self._root["Outputs"].values()
            if self._holds(output.get("Condition"))
            and output["Description"].startswith(("PINTEREST_", "AWS_"))
        }

    def physical(self, stack: str, name: str) -> str:
        """The physical id of a resource of a nested stack."""
        [found] = (
            resource["PhysicalResourceId"]
            for resource in self._summaries(stack)
            if resource["LogicalResourceId"] == name
        )
        return str(found)

    def created(self) -> set[str]:
        """The types of all existing resources."""
        return {
            resource["ResourceType"]
            for stack in self._nested
            for resource in self._summaries(stack)
        }

    def expected(self) -> set[str]:
        """The types of all resources of the templates with these parameters."""
        return {
            resource["Type"]
            for stack in self._nested
            for resource in read(self._template(stack))["Resources"].values()
        }

    def _summaries(self, stack: str) -> list[dict[str, Any]]:
        pages = self._cloudformation.get_paginator("list_stack_resources")
        return [
            resource
            for page in pages.paginate(StackName=f"{self._name}-{stack}")
            for resource in page["StackResourceSummaries"]
        ]

    def _template(self, stack: str) -> str:
        return Path(self._root["Resources"][stack]["Properties"]["TemplateURL"]).stem

    def _outputs_of(self, stack: str) -> dict[str, str]:
        resource = self._root["Resources"][stack]
        if stack not in self._nested and self._holds(resource.get("Condition")):
            parameters = resource["Properties"].get("Parameters", {})
            values = {name: self._value(value) for name, value in parameters.items()}
            self._cloudformation.create_stack(
                StackName=f"{self._name}-{stack}",
                TemplateBody=json.dumps(_acceptable(read(self._template(stack)))),
                Parameters=[
                    {"ParameterKey": name, "ParameterValue": value}
                    for name, value in values.items()
                ],
                Capabilities=["CAPABILITY_NAMED_IAM"],
            )
            self._store_policies(stack)
            described = self._cloudformation.describe_stacks(StackName=f"{self._name}-{stack}")
            self._nested[stack] = {
                output["OutputKey"]: output["OutputValue"]
                for output in described["Stacks"][0].get("Outputs", [])
            }
        return self._nested.get(stack, {})

    def _store_policies(self, stack: str) -> None:
        """Store the policies of roles as JSON: moto stores the text of a Python dict."""
        iam = client("iam", self.endpoint)
        for resource in self._summaries(stack):
            if resource["ResourceType"] == "AWS::IAM::Role":
                role = resource["PhysicalResourceId"]
                for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
                    stored = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
                    document = literal_eval(stored) if isinstance(stored, str) else stored
                    iam.put_role_policy(
                        RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document)
                    )

    def _holds(self, condition: str | None) -> bool:
        return condition is None or self._value(self._root["Conditions"][condition]) == "true"

    def _value(self, value: Any) -> str:
        if not isinstance(value, dict):
            return str(value)
        [(function, argument)] = value.items()
        if function == "Ref":
            return str(self._parameters[argument])
        if function == "Fn::GetAtt":
            stack, _, output = argument if len(argument) == 3 else (argument[0], *_split(argument))
            return self._outputs_of(stack)[output]
        if function == "Fn::If":
            return self._value(argument[1 if self._holds(argument[0]) else 2])
        if function == "Fn::Sub":
            text, values = argument
            return Template(text).substitute({k: self._value(v) for k, v in values.items()})
        if function == "Condition":
            return str(self._holds(argument)).lower()
        parts = [self._value(part) for part in argument]
        truths = {
            "Fn::Equals": len(set(parts)) == 1,
            "Fn::Not": parts == ["false"],
            "Fn::And": set(parts) == {"true"},
        }
        return str(truths[function]).lower()


def _acceptable(template: dict[str, Any]) -> dict[str, Any]:
    kept = {
        name: resource
        for name, resource in template["Resources"].items()
        if resource["Type"] not in REFUSED
    }
    return template | {"Resources": kept}


def _split(argument: list[str]) -> list[str]:
    return argument[1].split(".")
