"""Every template is valid, explains its resources, and grants no unexplained rights."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.config import ConfigMixIn
from cfnlint.runner import Runner

from pinterest_platform_tests.infra.templates import (
    PATHS,
    README,
    read,
    resources,
    statements,
)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_cfn_lint_finds_nothing(path: Path) -> None:
    assert _problems(path) == []


def test_cfn_lint_would_find_a_mistake(tmp_path: Path) -> None:
    wrong = Path(shutil.copy(PATHS[0].with_name("streams.yaml"), tmp_path))
    wrong.write_text(wrong.read_text().replace("RetentionPeriodHours", "RetentionHours"))
    assert _problems(wrong)


@pytest.mark.parametrize(
    ("template", "name", "resource"),
    resources(),
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_every_resource_has_a_reason(template: str, name: str, resource: dict[str, Any]) -> None:
    assert len(resource.get("Metadata", {}).get("Why", "")) > 15


@pytest.mark.parametrize(
    ("template", "name", "resource"),
    resources(),
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_a_wildcard_has_a_written_reason_and_a_reason_a_wildcard(
    template: str, name: str, resource: dict[str, Any]
) -> None:
    wide = [
        text
        for statement in statements(resource)
        for field in ("Action", "Resource", "Principal", "NotAction", "NotResource", "NotPrincipal")
        if "*" in (text := json.dumps(statement.get(field, "")))
        or (field in statement and "Not" in field)
    ]
    assert bool(wide) == ("Wildcard" in resource.get("Metadata", {})), wide


def test_only_tls_is_denied_with_a_wildcard_of_actions() -> None:
    wide = {
        statement["Effect"]
        for _, _, resource in resources()
        for statement in statements(resource)
        if "*" in json.dumps(statement.get("Action", ""))
    }
    assert wide == {"Deny"}


def test_data_outlives_the_stack() -> None:
    kept = {"AWS::S3::Bucket", "AWS::Kinesis::Stream", "AWS::MSK::Cluster", "AWS::RDS::DBInstance"}
    for template, name, resource in resources():
        if resource["Type"] in kept:
            assert resource.get("DeletionPolicy") in {"Retain", "Snapshot"}, (template, name)
            assert resource.get("UpdateReplacePolicy") in {"Retain", "Snapshot"}, (template, name)


def test_buckets_are_private_keep_old_versions_and_require_tls() -> None:
    # moto creates a bucket without these.
    stored = read("storage")["Resources"]
    for name in ("Landing", "Lake", "ComputeLogs"):
        bucket = stored[name]["Properties"]
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        [statement] = statements(stored[f"{name}Tls"])
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert stored[f"{name}Tls"]["Properties"]["Bucket"] == {"Ref": name}


def test_landing_objects_never_expire() -> None:
    rules = read("storage")["Resources"]["Landing"]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert all("Expiration" not in rule and "ExpirationInDays" not in rule for rule in rules)


def test_the_connector_writes_the_layout_of_the_landing_objects() -> None:
    connector = read("connect")["Resources"]["Connector"]["Properties"]["ConnectorConfiguration"]
    assert connector["topics.dir"] == "topics"
    assert connector["file.delim"] == "+"
    assert connector["filename.offset.zero.pad.width"] == "10"
    assert connector["format.bytearray.extension"] == ".json"
    assert connector["format.class"].endswith("ByteArrayFormat")
    assert connector["value.converter"].endswith("ByteArrayConverter")
    assert connector["s3.compression.type"] == "none"
    assert connector["timezone"] == "UTC"


def test_the_templates_have_no_account_and_only_yaml_that_cloudformation_knows() -> None:
    for path in PATHS:
        text = path.read_text()
        assert not re.search(r"\b\d{12}\b", text), path
        assert not any(
            isinstance(token, yaml.AnchorToken | yaml.AliasToken) for token in yaml.scan(text)
        ), path


def test_the_readme_names_every_template() -> None:
    text = README.read_text()
    assert [path.name for path in PATHS if f"`{path.name}`" not in text] == []


def _problems(path: Path) -> list[str]:
    # W3002: these templates are deployed with `aws cloudformation package`.
    config = ConfigMixIn(templates=[str(path)], ignore_checks=["W3002"])
    return [str(match) for match in Runner(config).run()]
