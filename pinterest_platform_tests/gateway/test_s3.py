"""The landing place on S3: moto's server, which honours If-None-Match."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from obstore.store import S3Store
from typing_extensions import override

from pinterest_platform.ingest.landing.layout import LandingKey
from pinterest_platform.ingest.landing.objects import S3Objects
from pinterest_platform_tests.gateway.conftest import PIN, Gateway
from pinterest_platform_tests.local_aws import CREDENTIALS, client, running_moto

BUCKET = "landing-bucket"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with running_moto() as endpoint:
        yield endpoint


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    requests.post(f"{endpoint}/moto-api/reset", timeout=10)
    s3 = client("s3", endpoint)
    s3.create_bucket(Bucket=BUCKET)
    return s3


def gateway_on(endpoint: str) -> Gateway:
    return Gateway(f"s3://{BUCKET}/some/prefix", AWS_ENDPOINT_URL=endpoint, **CREDENTIALS)


def lines(s3: Any) -> list[bytes]:
    """All lines of the partition, whose offsets are dense."""
    found: list[bytes] = []
    for meta in s3.list_objects_v2(Bucket=BUCKET, Prefix="some/prefix/topics/").get("Contents", []):
        assert meta["Key"] == f"some/prefix/{LandingKey(PIN, 0, len(found))}"
        found += s3.get_object(Bucket=BUCKET, Key=meta["Key"])["Body"].read().splitlines()
    return found


def test_records_become_objects_and_offsets_continue(endpoint: str, s3: Any) -> None:
    with gateway_on(endpoint) as gateway:
        assert gateway.get("/health").json()["status"] == "ok"
        gateway.post([{"value": 1}, {"value": 2}])
    with gateway_on(endpoint) as gateway:
        assert gateway.get("/health").json()["status"] == "ok"
        answer = gateway.post([{"value": 3}])

    assert answer.json()["offsets"] == [{"offset": 2, "partition": 0}]
    assert lines(s3) == [b"1", b"2", b"3"]


def test_two_gateways_share_a_bucket(endpoint: str, s3: Any) -> None:
    with gateway_on(endpoint) as one, gateway_on(endpoint) as two, ThreadPoolExecutor(4) as threads:
        answers = list(
            threads.map(lambda n: (one, two)[n % 2].post([{"value": n}]).json(), range(60))
        )

    offsets = [answer["offsets"][0]["offset"] for answer in answers]
    assert dict(zip(offsets, range(60), strict=True)) == {
        offset: int(line) for offset, line in enumerate(lines(s3))
    }


def test_a_missing_bucket_is_a_503_until_it_is_created(endpoint: str, s3: Any) -> None:
    s3.delete_bucket(Bucket=BUCKET)
    with gateway_on(endpoint) as gateway:
        for answer in (gateway.post([{"value": 1}]), gateway.get("/health")):
            assert (answer.status_code, answer.json()["error_code"]) == (503, 50302)
            assert "no such bucket" in answer.json()["message"]
            assert "testing" not in answer.text
        s3.create_bucket(Bucket=BUCKET)
        assert gateway.get("/health").status_code == 200
        assert gateway.post([{"value": 1}]).status_code == 200
    assert lines(s3) == [b"1"]


@pytest.mark.parametrize("step", [1, 7])
def test_the_last_object_is_found_among_many(endpoint: str, s3: Any, step: int) -> None:
    store = S3Store.from_url(
        f"s3://{BUCKET}/some/prefix",
        endpoint=endpoint,
        access_key_id="testing",
        secret_access_key="testing",
        region="us-east-1",
        client_options={"allow_http": True},
    )
    # With pages of 3 keys instead of 1000, 20 objects are like 7000.
    found = S3Objects(store, page_keys=3)
    folder = "some/prefix/topics/pinterest.pin/partition=0/"
    for foreign in (folder, f"{folder}_temporary", f"{folder}zzz"):
        s3.put_object(Bucket=BUCKET, Key=foreign, Body=b"")
    for n in range(20):
        assert found.last(PIN, 0) == (LandingKey(PIN, 0, (n - 1) * step) if n else None)
        with found.stage(b"x\n" * step) as place:
            assert place(LandingKey(PIN, 0, n * step))


class ForgetfulS3(BaseHTTPRequestHandler):
    """Passes requests on; the answer to the first PUT is replaced by a 500."""

    upstream: str
    lost: threading.Event
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = requests.request(
            self.command,
            self.upstream + self.path,
            data=body,
            headers=dict(self.headers),
            timeout=9,
        )
        status, content = answer.status_code, answer.content
        if self.command == "PUT" and not self.lost.is_set():
            self.lost.set()
            status, content = 500, b""
        self.send_response(status)
        for name, value in answer.headers.items():
            if name.lower().startswith(("x-amz-meta", "etag", "last-modified")):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_HEAD = _pass_on

    @override
    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_an_object_is_not_written_twice_after_a_lost_answer(endpoint: str, s3: Any) -> None:
    lost = threading.Event()
    forgetful = type("Forgetful", (ForgetfulS3,), {"upstream": endpoint, "lost": lost})
    with ThreadingHTTPServer(("127.0.0.1", 0), forgetful) as between:
        threading.Thread(target=between.serve_forever).start()
        with gateway_on(f"http://127.0.0.1:{between.server_port}") as gateway:
            answer = gateway.post([{"value": "once"}])
        between.shutdown()

    assert lost.is_set()
    assert answer.json()["offsets"] == [{"offset": 0, "partition": 0}]
    assert lines(s3) == [b'"once"']
