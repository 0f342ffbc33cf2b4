"""compose.yaml and .env.example: ports, volumes, limits and variables of a deployment."""

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml
from pydantic import SecretStr

from pinterest_platform.commands.gateway import require_token
from pinterest_platform.errors import PlatformError
from pinterest_platform.settings import Settings
from pinterest_platform_tests.deploy.files import (
    DEPLOY,
    VARIABLE,
    Service,
    compose,
    environment,
    example,
    fill,
    services,
)

SERVICES = services()
# Services that a user starts for a single command.
LASTING = {name: service for name, service in SERVICES.items() if name != "tool"}
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
REQUIRED = {"POSTGRES_PASSWORD": "p", "DAGSTER_COMPUTE_LOG_BUCKET": "b"}
# Variables that Compose itself reads.
OF_COMPOSE = {"COMPOSE_PROFILES"}

lasting = pytest.mark.parametrize("service", LASTING.values(), ids=LASTING)
ours = pytest.mark.parametrize("service", OURS.values(), ids=OURS)


def test_it_is_valid_by_the_compose_specification() -> None:
    package = find_spec("check_jsonschema")
    if package is None:
        pytest.skip("the schema is in check-jsonschema, which is not installed")
    vendored = Path(str(package.origin)).parent / "builtin_schemas" / "vendor"
    schema = json.loads((vendored / "compose-spec.json").read_text())
    jsonschema.validators.validator_for(schema)(schema).validate(compose())


def test_only_webserver_and_gateway_are_published_and_only_to_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"webserver", "gateway"}
    for ports in published.values():
        assert all(fill(port, {}).startswith("127.0.0.1:") for port in ports)
    assert not [name for name, service in SERVICES.items() if "network_mode" in service]


@lasting
def test_a_service_has_a_health_check_a_restart_policy_and_limits(service: Service) -> None:
    check = service["healthcheck"]
    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)
    assert service["restart"] == "unless-stopped"
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


@ours
def test_our_image_runs_without_privileges_and_reaps_processes(service: Service) -> None:
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert "privileged" not in service
    assert "user" not in service
    assert not [mount for mount in service.get("volumes", []) if "docker.sock" in mount]


def test_dependencies_wait_for_healthy_services() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_healthy", (name, needed)
            # An optional service must not prevent others from starting.
            optional = "profiles" in SERVICES[needed] or needed == "postgres"
            assert how.get("required", True) is not optional, (name, needed)


def test_persistent_data_is_in_a_named_volume() -> None:
    mounts = {
        tuple(mount.split(":"))
        for service in SERVICES.values()
        for mount in service.get("volumes", [])
    }
    assert mounts == {
        ("postgres", "/var/lib/postgresql/data"),
        ("data", "/data"),
        ("kafka", "/var/lib/kafka/data"),
        ("mysql", "/var/lib/mysql"),
    }
    assert set(compose()["volumes"]) == {volume for volume, _ in mounts}


def test_images_are_pinned_to_a_release() -> None:
    for name, service in SERVICES.items():
        if "build" not in service:
            assert re.search(r":\d+\.\d+", service["image"]), name


def test_the_files_contain_no_secret() -> None:
    secret = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY")
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if secret.search(variable) and variable != "MYSQL_RANDOM_ROOT_PASSWORD":
                given = value is None or VARIABLE.fullmatch(value)
                assert given, f"{variable} of {name}"
                assert value is None or fill(value, REQUIRED) in ("", "p")
    assert not [name for name, value in example().items() if secret.search(name) and value]


def test_only_the_gateway_and_its_clients_have_the_token() -> None:
    given = REQUIRED | {"PINTEREST_GATEWAY_TOKEN": "t"}
    having = [name for name in SERVICES if environment(name, given).get("PINTEREST_GATEWAY_TOKEN")]
    assert having == ["gateway", "tool"]
    command = SERVICES["gateway"]["command"]
    host = command[command.index("--host") + 1]
    with pytest.raises(PlatformError, match="PINTEREST_GATEWAY_TOKEN"):
        require_token(host, Settings(gateway_token=SecretStr("")))


def test_the_gateway_accepts_the_host_name_that_the_tool_uses() -> None:
    url = environment("tool", REQUIRED)["PINTEREST_GATEWAY_URL"]
    assert environment("gateway", REQUIRED)["PINTEREST_GATEWAY_HOSTS"] == urlsplit(url).hostname


def test_a_missing_required_variable_is_an_error_before_anything_starts() -> None:
    for missing in REQUIRED:
        given = {name: value for name, value in REQUIRED.items() if name != missing}
        with pytest.raises(AssertionError, match=f"{missing} is required"):
            environment("daemon", given)


def _used() -> dict[str, str | None]:
    """Every variable that .env can set, with its default in compose.yaml."""
    text = yaml.safe_dump(compose())
    used: dict[str, str | None] = {
        name: default if kind == "-" else None for name, kind, default in VARIABLE.findall(text)
    }
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if value is None:
                used.setdefault(name, None)
    return used


def test_the_example_names_every_variable_and_no_other() -> None:
    assert set(example()) - OF_COMPOSE == set(_used())


def test_the_example_shows_the_defaults_and_leaves_only_required_variables_open() -> None:
    displayed = example()
    for name, default in _used().items():
        if default is not None:
            assert displayed[name] == default, name
    lines = (DEPLOY / ".env.example").read_text().splitlines()
    open_lines = {line.partition("=")[0] for line in lines if re.match(r"[A-Z]", line)}
    assert open_lines == set(REQUIRED)


def test_a_service_gets_the_credentials_that_it_needs_and_no_others() -> None:
    def names(service: str) -> set[str]:
        return set(SERVICES[service].get("environment", {}))

    for outside in ("gateway", "sink", "kafka", "mysql", "aws"):
        assert "POSTGRES_PASSWORD" not in names(outside)
    for inside in ("webserver", "daemon", "code-server", "postgres"):
        assert not {"PINTEREST_DB_PASSWORD", "PINTEREST_KAFKA_PASSWORD"} & names(inside)
    assert [name for name in SERVICES if "DATABRICKS_TOKEN" in names(name)] == ["code-server"]


@pytest.mark.parametrize("name", ["dagster.yaml", "workspace.yaml"])
def test_dagsters_configuration_reads_only_variables_that_compose_sets(name: str) -> None:
    expected = set(_env_of(yaml.safe_load((DEPLOY / name).read_text())))
    assert expected
    for service in ("webserver", "daemon", "code-server", "tool"):
        assert expected <= set(environment(service, REQUIRED)), service


def _env_of(config: Any) -> list[str]:
    """The variables that a Dagster configuration reads."""
    if isinstance(config, dict):
        if set(config) == {"env"}:
            return [config["env"]]
        return [name for value in config.values() for name in _env_of(value)]
    if isinstance(config, list):
        return [name for value in config for name in _env_of(value)]
    return []
