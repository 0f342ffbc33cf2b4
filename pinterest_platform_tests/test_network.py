"""Requests to this machine bypass the proxy, and messages show no user names from URLs."""

import os

import boto3
import pytest
import requests
from requests.utils import get_environ_proxies

from pinterest_platform.environment import forget_users_of_endpoints, reach_this_machine_directly
from pinterest_platform.errors import PlatformError
from pinterest_platform.network import is_this_machine, without_users

# Port 9 is discard: no server listens on it.
NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"]
)
def test_loopback_is_this_machine(host: str) -> None:
    assert is_this_machine(host)


@pytest.mark.parametrize("host", ["", "example.com", "10.0.0.1", "::2", "localhost.example.com"])
def test_others_are_not(host: str) -> None:
    assert not is_this_machine(host)


@pytest.mark.parametrize("given", ["", "intranet.example"])
@pytest.mark.parametrize("proxy", ["http_proxy", "HTTPS_PROXY", "all_proxy", "grpc_proxy"])
def test_requests_to_this_machine_bypass_the_proxy(
    monkeypatch: pytest.MonkeyPatch, proxy: str, given: str
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, given)
    monkeypatch.setenv(proxy, NOWHERE)
    reach_this_machine_directly()
    for host in ("127.0.0.1", "localhost", "[::1]"):
        assert get_environ_proxies(f"http://{host}:8082", None) == {}
    if given:
        assert get_environ_proxies(f"http://{given}:8082", None) == {}


def test_without_a_proxy_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    environ: dict[str, str] = {"HOME": "/"}
    reach_this_machine_directly(environ)
    assert environ == {"HOME": "/"}


def test_requests_to_other_machines_use_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", NOWHERE)
    reach_this_machine_directly()
    with pytest.raises(requests.exceptions.ProxyError):
        requests.get("http://example.invalid", timeout=10)


@pytest.mark.parametrize(
    ("text", "displayed"),
    [
        ("at http://u:s3cret@host:1/x, and", "at http://host:1/x, and"),
        ("sc://token@host", "sc://host"),
        ("https://u:p@ss@host/a@b", "https://host/a@b"),
        ("mail me@example.com", "mail me@example.com"),
        ("s3://bucket/day@noon", "s3://bucket/day@noon"),
    ],
)
def test_a_url_shows_no_user(text: str, displayed: str) -> None:
    assert without_users(text) == displayed
    assert str(PlatformError(text)) == displayed


def test_an_endpoint_forgets_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://u:s3c/ret@127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "no@url")
    forget_users_of_endpoints()
    assert os.environ["AWS_ENDPOINT_URL_DYNAMODB"] == "no@url"
    kinesis = boto3.client("kinesis", "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    assert kinesis.meta.endpoint_url == NOWHERE
