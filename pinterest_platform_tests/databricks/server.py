"""The HTTP side of the workspace: authentication, routing, and faults."""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from typing_extensions import override

from pinterest_platform_tests.databricks.api import Answer, ApiError, Request, Route
from pinterest_platform_tests.databricks.faults import Dropped, Faults


class ApiServer(ThreadingHTTPServer):
    """Serves routes on a free local port."""

    daemon_threads = True

    def __init__(self, token: str, faults: Faults) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.token = token
        self.faults = faults
        self.routes: list[Route] = []
        self.requests: list[tuple[str, str]] = []
        self.unknown: list[tuple[str, str]] = []

    def answer(self, request: Request, authorization: str | None) -> Answer:
        """The answer to a request.

        Raises:
            Dropped: close the connection without one.
        """
        self.requests.append((request.method, request.path))
        if instead := self.faults.of_request():
            return instead
        try:
            self._allow(authorization)
            return self._part(request)(request)
        except ApiError as error:
            return error.answer()

    def _allow(self, authorization: str | None) -> None:
        if authorization is None:
            raise ApiError(401, "401", "Credential was not sent or was of an unsupported type.")
        if authorization != f"Bearer {self.token}":
            raise ApiError(403, "403", "Invalid access token.")

    def _part(self, request: Request) -> Callable[[Request], Answer]:
        for method, path, part in self.routes:
            same = request.path.startswith(path) if path.endswith("/") else request.path == path
            if method == request.method and same:
                return part
        self.unknown.append((request.method, request.path))
        raise ApiError(404, "ENDPOINT_NOT_FOUND", f"No API found for {request.path}")


class _Connection(BaseHTTPRequestHandler):
    server: ApiServer
    # Keep connections open, as Databricks does.
    protocol_version = "HTTP/1.1"
    # Headers and body are two writes: with Nagle's algorithm the second would wait 40 ms.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def _answer(self) -> None:
        try:
            answer = self.server.answer(self._request(), self.headers.get("Authorization"))
        except Dropped:
            self.close_connection = True
            return
        content = answer.content if answer.json is None else json.dumps(answer.json).encode()
        self.send_response(answer.status)
        if answer.json is not None:
            self.send_header("Content-Type", "application/json")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        is_json = self.headers.get("Content-Type", "").startswith("application/json")
        return Request(
            self.command,
            unquote(parts.path),
            dict(parse_qsl(parts.query)),
            body,
            json.loads(body) if body and is_json else {},
        )
