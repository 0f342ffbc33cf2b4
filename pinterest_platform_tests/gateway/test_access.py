"""Access to the gateway: the token, the Host, web pages, and the allowed streams."""

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from pinterest_platform.commands.gateway import require_token
from pinterest_platform.settings import Settings
from pinterest_platform_tests.gateway.aws import Aws, running_aws
from pinterest_platform_tests.gateway.conftest import (
    DEADLINE_SECONDS,
    PIN,
    RECORDS_TYPE,
    Gateway,
)
from pinterest_platform_tests.gateway.test_command import run_gateway
from pinterest_platform_tests.process import Pinterest

TOKEN = "correct-horse"
STREAM = "streaming-pinterest-pin"
RECORD = '{"records":[{"value":1}]}'


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a token and its own names."""
    settings = {
        "PINTEREST_GATEWAY_TOKEN": TOKEN,
        "PINTEREST_GATEWAY_HOSTS": "gateway, Posts.example.org,*.internal",
    }
    with Gateway(str(tmp_path_factory.mktemp("guarded")), **settings) as gateway:
        yield gateway


def ask(
    gateway: Gateway, method: str, path: str, body: str | None = None, **headers: str
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(
        gateway.url.removeprefix("http://"), timeout=DEADLINE_SECONDS
    )
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, sent)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text or b"{}")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
        ({"Authorization": f"bearer  {TOKEN}"}, 200),
        ({"x_api_key": TOKEN}, 200),
        ({"x_api_key": TOKEN, "Authorization": "Bearer other"}, 200),
        ({"x_api_key": "other", "Authorization": f"Bearer {TOKEN}"}, 200),
        ({}, 401),
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": TOKEN}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401),
        ({"Authorization": f"Bearer {TOKEN[:-1]}"}, 401),
        ({"x_api_key": TOKEN.upper()}, 401),
        ({"x_api_key": "\xff"}, 401),
        ({"x_api_key": ""}, 401),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", f"/topics/{PIN}"), ("GET", "/topics"), ("GET", f"/topics/{PIN}")],
)
def test_the_token_is_a_bearer_token_or_an_api_key(
    guarded: Gateway, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    body = RECORD if method == "POST" else None

    answered, content = ask(guarded, method, path, body, Content_Type=RECORDS_TYPE, **headers)

    assert answered == status
    assert TOKEN not in json.dumps(content)
    assert status == 200 or content["error_code"] == 401


@pytest.mark.parametrize("path", ["/nowhere", "/openapi.json", "/streams", "/health/more"])
def test_only_health_is_answered_without_the_token(guarded: Gateway, path: str) -> None:
    assert ask(guarded, "GET", path)[0] == 401
    assert ask(guarded, "GET", "/health") == (200, {"status": "ok"})
    content = {"status": "ok", "topics": ["pinterest.geo", "pinterest.pin", "pinterest.user"]}
    assert ask(guarded, "GET", "/health", x_api_key=TOKEN) == (200, content)


def test_without_the_token_streams_are_refused_in_the_form_of_aws(guarded: Gateway) -> None:
    status, content = ask(guarded, "PUT", f"/streams/{STREAM}/record", "{}")

    assert (status, content["__type"]) == (401, "UnrecognizedClientException")


def test_a_large_body_without_the_token_is_not_awaited(guarded: Gateway) -> None:
    assert guarded.post_body(b" " * 10_000_000).status_code == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8082", 200),
        ("localhost.", 200),
        ("127.0.0.1", 200),
        ("127.0.0.1:8082", 200),
        ("10.1.2.3:80", 200),
        ("[::1]", 200),
        ("[fd00::1]:8082", 200),
        ("gateway:8082", 200),
        ("posts.example.org", 200),
        ("a.b.internal:1", 200),
        ("evil.example", 421),
        ("evil.example:8082", 421),
        ("localhost.evil.example", 421),
        ("evil-localhost", 421),
        ("internal", 421),
        ("xinternal", 421),
        ("gateway@evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("2130706433", 421),
        ("", 421),
        ("\xff", 421),
    ],
)
def test_the_host_is_an_address_or_one_of_the_gateways_names(
    guarded: Gateway, host: str, status: int
) -> None:
    answered, content = ask(guarded, "GET", "/topics", Host=host, x_api_key=TOKEN)

    assert answered == status
    assert status == 200 or "PINTEREST_GATEWAY_HOSTS" in content["message"]
    assert ask(guarded, "GET", "/health", Host=host)[0] == status


def test_any_host_can_be_allowed(landing: Path) -> None:
    with Gateway(str(landing), PINTEREST_GATEWAY_HOSTS="*") as gateway:
        assert ask(gateway, "GET", "/topics", Host="any.example")[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "none"}, 200),
    ],
)
def test_a_web_page_changes_nothing(shared: Gateway, headers: dict[str, str], status: int) -> None:
    posted = ask(shared, "POST", f"/topics/{PIN}", RECORD, Content_Type=RECORDS_TYPE, **headers)

    assert posted[0] == status
    assert ask(shared, "GET", "/topics", **headers)[0] == 200


@pytest.mark.parametrize("kind", ["text/plain", "text/plain;charset=UTF-8", "multipart/form-data"])
def test_a_page_cannot_create_a_stream_without_a_preflight(shared: Gateway, kind: str) -> None:
    assert ask(shared, "POST", f"/streams/{STREAM}", "{}", Content_Type=kind)[0] == 415
    assert ask(shared, "POST", f"/streams/{STREAM}", Origin="http://evil.example")[0] == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_beyond_this_machine_it_does_not_listen_without_a_token(landing: Path, host: str) -> None:
    code, stdout, stderr = run_gateway(
        "--host", host, "--port", "0", PINTEREST_LANDING=str(landing)
    )

    assert (code, stdout, stderr.count("\n")) == (1, "", 1)
    assert "set PINTEREST_GATEWAY_TOKEN" in stderr
    assert "PINTEREST_GATEWAY_AUTH=none" in stderr
    assert not landing.exists()


@pytest.mark.parametrize(
    ("host", "settings"),
    [
        ("127.0.0.1", Settings()),
        ("127.1.2.3", Settings()),
        ("::1", Settings()),
        ("localhost", Settings()),
        ("0.0.0.0", Settings(gateway_token=SecretStr(TOKEN))),
        ("0.0.0.0", Settings(gateway_auth="none")),
    ],
)
def test_a_token_is_required_beyond_this_machine_only(host: str, settings: Settings) -> None:
    require_token(host, settings)


@pytest.mark.parametrize("token", ["two words", "tab\t", "line\nend", "é"])
def test_a_token_that_is_invalid_in_a_header_is_one_line(landing: Path, token: str) -> None:
    code, _, stderr = run_gateway(PINTEREST_GATEWAY_TOKEN=token, PINTEREST_LANDING=str(landing))

    assert (code, stderr.count("\n")) == (1, 1)
    assert stderr.startswith("Error: PINTEREST_GATEWAY_TOKEN cannot be used: ")
    assert token not in stderr


def test_the_emulation_sends_the_token(guarded: Gateway, tmp_path: Path) -> None:
    pinterest = Pinterest(tmp_path, PINTEREST_GATEWAY_URL=guarded.url)
    assert pinterest("seed-db", "--rows", "20").returncode == 0
    words = ("emulate", "batch", "--posts", "1", "--rate", "0")

    assert pinterest(*words, PINTEREST_GATEWAY_TOKEN=TOKEN).returncode == 0
    for settings in ({}, {"PINTEREST_GATEWAY_TOKEN": "wrong"}):
        refused = pinterest(*words, **settings)

        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == (
            f"Error: the gateway {guarded.url} requires a token: set PINTEREST_GATEWAY_TOKEN to "
            "the gateway's own\n"
        )


class TestStreams:
    """The streams that clients may use; Kinesis is the local AWS."""

    @pytest.fixture(scope="class")
    def kinesis(self) -> Iterator[tuple[Aws, dict[str, str]]]:
        with running_aws() as running:
            yield running

    @pytest.fixture
    def aws(self, kinesis: tuple[Aws, dict[str, str]]) -> Iterator[Aws]:
        aws = kinesis[0]
        for name in ("other", STREAM):
            aws.client.create_stream(StreamName=name, ShardCount=1)
        aws.calls.clear()
        yield aws
        for name in aws.client.list_streams()["StreamNames"]:
            aws.client.delete_stream(StreamName=name)

    @pytest.mark.parametrize(
        ("access", "listed", "own", "other", "changed"),
        [
            ("any", ["other", STREAM], 200, 200, 200),
            ("platform", [STREAM], 200, 403, 200),
            ("records", [STREAM], 200, 403, 403),
            ("none", None, 403, 403, 403),
        ],
    )
    def test_only_the_platforms_streams_by_default(
        self,
        kinesis: tuple[Aws, dict[str, str]],
        aws: Aws,
        landing: Path,
        access: str,
        listed: list[str] | None,
        own: int,
        other: int,
        changed: int,
    ) -> None:
        settings = kinesis[1] | {"PINTEREST_GATEWAY_STREAMS": access}
        body = '{"Data": 1, "PartitionKey": "k"}'
        with Gateway(str(landing), **settings) as gateway:
            status, content = ask(gateway, "GET", "/streams")
            assert (status, content.get("StreamNames")) == (200 if listed else 403, listed)
            for name, expected in ((STREAM, own), ("other", other)):
                assert ask(gateway, "GET", f"/streams/{name}")[0] == expected
                assert ask(gateway, "PUT", f"/streams/{name}/record", body)[0] == expected
                records = f'{{"records": [{body}]}}'
                assert ask(gateway, "PUT", f"/streams/{name}/records", records)[0] == expected
            assert ask(gateway, "DELETE", f"/streams/{STREAM}")[0] == changed
            assert ask(gateway, "DELETE", "/streams/other")[0] == other
            status, content = ask(gateway, "POST", "/streams/streaming-pinterest-geo")
            assert status == changed
            if changed == 403:
                assert content["__type"] == "AccessDeniedException"
                assert re.search(r"PINTEREST_GATEWAY_STREAMS=\w+", content["message"])
            if other == 403:
                assert "other" in aws.client.list_streams()["StreamNames"]

    def test_by_default_another_stream_is_not_deleted(
        self, kinesis: tuple[Aws, dict[str, str]], aws: Aws, landing: Path
    ) -> None:
        with Gateway(str(landing), **kinesis[1]) as gateway:
            assert ask(gateway, "DELETE", "/streams/other")[0] == 403
        assert aws.calls == []


def test_requests_leave_no_line_in_the_log(landing: Path) -> None:
    token = "correct-horse"
    with Gateway(str(landing), PINTEREST_GATEWAY_TOKEN=token) as gateway:
        ask(gateway, "GET", "/%1b%0aforged", x_api_key="swordfish")
        ask(gateway, "GET", "/%1b%0aforged", x_api_key=token)
        ask(gateway, "POST", f"/topics/{PIN}", "\x1b", x_api_key=token)
        ask(gateway, "GET", "/topics", Host="evil\x1b", x_api_key=token)
        ask(gateway, "BREW", "/topics")
        ask(gateway, "GET", "/topics", Connection="Upgrade", Upgrade="websocket")
        gateway.terminate()

        assert gateway.output() == (0, "", "")
