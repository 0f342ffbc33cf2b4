"""A proxy of an AWS that accepts only requests signed with one access key.

moto accepts any key. The check follows AWS's Signature Version 4:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from typing_extensions import override

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/([^,]+), ?SignedHeaders=([^,]+), ?Signature=(\w+)"
)
# moto answers within milliseconds; a busy machine may take much longer.
_SECONDS = 60


@dataclass
class GuardedAws:
    """The accepted key, and the requests.

    Requests must be signed for ``region``. While ``gate`` is cleared, no request is answered.
    """

    behind: str
    access_key_id: str
    secret_access_key: str
    session_token: str
    region: str
    endpoint: str = ""
    let_in: list[str] = field(default_factory=list)  # "s3 GET /bucket/key", "kinesis POST /"
    refused: list[str] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    requested: threading.Event = field(default_factory=threading.Event)

    def accepts(self, method: str, target: str, headers: Any, body: bytes) -> bool:
        """Whether a request is signed with the key, for the region; records the request."""
        given = _AUTHORIZATION.fullmatch(headers.get("Authorization", ""))
        path = unquote(urlsplit(target).path)
        if given is None:
            self.refused.append(f"{method} {path}")
            return False
        key_id, scope, signed, signature = given.groups()
        _, region, service, _ = scope.split("/")
        request = _canonical(method, target, signed.split(";"), headers, body)
        allowed = (
            key_id == self.access_key_id
            and region == self.region
            and headers.get("x-amz-security-token", "") == self.session_token
            and hmac.compare_digest(signature, self._signature(scope, headers, request))
        )
        (self.let_in if allowed else self.refused).append(f"{service} {method} {path}")
        return allowed

    def _signature(self, scope: str, headers: Any, request: str) -> str:
        digest = hashlib.sha256(request.encode()).hexdigest()
        summary = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{digest}"
        parts = [*scope.split("/"), summary]
        return reduce(_signed, parts, f"AWS4{self.secret_access_key}".encode()).hex()


def _signed(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _canonical(method: str, target: str, signed: list[str], headers: Any, body: bytes) -> str:
    url = urlsplit(target)
    query = "&".join(
        sorted(part if "=" in part else f"{part}=" for part in url.query.split("&") if part)
    )
    lines = [f"{name}:{' '.join(headers[name].split())}" for name in signed]
    content = headers.get("x-amz-content-sha256") or hashlib.sha256(body).hexdigest()
    return "\n".join([method, url.path, query, *lines, "", ";".join(signed), content])


@contextmanager
def guarded_aws(
    behind: str, access_key_id: str, secret_access_key: str, session_token: str, region: str
) -> Iterator[GuardedAws]:
    """A guarded proxy of the AWS at the endpoint ``behind``, until the block ends."""
    aws = GuardedAws(behind, access_key_id, secret_access_key, session_token, region)
    aws.gate.set()
    handler = type("Guarding", (_Guarding,), {"aws": aws})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        # Do not wait for clients with open connections.
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        aws.endpoint = f"http://127.0.0.1:{server.server_port}"
        try:
            yield aws
        finally:
            aws.gate.set()
            server.shutdown()
            thread.join()


class _Guarding(BaseHTTPRequestHandler):
    aws: GuardedAws
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.aws.requested.set()
        self.aws.gate.wait()
        if not self.aws.accepts(self.command, self.path, self.headers, body):
            self._answer(403, b"", {})
            return
        kept = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        url = f"{self.aws.behind}{self.path}"
        given = requests.request(self.command, url, headers=kept, data=body, timeout=_SECONDS)
        own = ("content-length", "content-encoding", "transfer-encoding", "connection", "server")
        headers = {name: value for name, value in given.headers.items() if name.lower() not in own}
        self._answer(given.status_code, given.content, headers)

    do_HEAD = do_PUT = do_POST = do_GET

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        pass
