"""The templates deployed once, a gateway on what they made, and the API before both."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pinterest_platform_tests.gateway.conftest import Gateway
from pinterest_platform_tests.infra.api_gateway import Api, serving
from pinterest_platform_tests.infra.templates import Deployment
from pinterest_platform_tests.local_aws import CREDENTIALS, running_moto


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    with running_moto() as endpoint:
        yield Deployment(endpoint)


@pytest.fixture(scope="module")
def aws(deployment: Deployment) -> dict[str, str]:
    """What a process of the platform is given besides the outputs: the way to this AWS."""
    return CREDENTIALS | {"AWS_ENDPOINT_URL": deployment.endpoint}


@pytest.fixture(scope="module")
def gateway(deployment: Deployment, aws: dict[str, str]) -> Iterator[Gateway]:
    settings = deployment.environment()
    with Gateway(settings["PINTEREST_LANDING"], **settings | aws) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def api(deployment: Deployment, gateway: Gateway) -> Iterator[str]:
    """The API's URL."""
    with serving(Api(deployment, gateway.url).answer) as url:
        yield url


@pytest.fixture
def environment(
    deployment: Deployment, aws: dict[str, str], api: str, tmp_path: Path
) -> dict[str, str]:
    """The outputs as variables; the API is the local one."""
    home = {"PINTEREST_HOME": str(tmp_path / "home")}
    return deployment.environment() | aws | home | {"PINTEREST_GATEWAY_URL": api}
