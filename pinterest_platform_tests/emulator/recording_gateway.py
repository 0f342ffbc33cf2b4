"""A small HTTP server in the gateway's place, with recorded requests and scripted answers."""

import json
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Event, Thread
from typing import Any

# Far longer than any step takes.
DEADLINE_S = 120


@dataclass(frozen=True)
class Answer:
    """An answer to a POST; status 0 closes the connection without one."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """A received POST, and whether its records were acknowledged."""

    topic: str
    content_type: str | None
    body: bytes
    accepted: bool

    @property
    def values(self) -> list[dict[str, Any]]:
        return [record["value"] for record in json.loads(self.body)["records"]]


class RecordingGateway:
    """Each of ``answers`` answers one POST; later POSTs are acknowledged.

    ``always`` has the answers of topics that never succeed. POSTs wait for ``answering``.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: deque[Answer] = deque()
        self.always: dict[str, Answer] = {}
        self.check = Answer(200, b"[]")
        self.checked = Event()
        self.answering = Event()
        self.answering.set()
        self._changed = Condition()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def values(self, topic: str) -> list[dict[str, Any]]:
        """The acknowledged records of a topic, in the order of arrival."""
        accepted = [r for r in self.requests if r.accepted and r.topic == topic]
        return [value for request in accepted for value in request.values]

    def wait_for(self, requests: int) -> None:
        end = time.monotonic() + DEADLINE_S
        with self._changed:
            while len(self.requests) < requests:
                assert self._changed.wait(end - time.monotonic()), "too few requests in time"

    def wait_for_check(self) -> None:
        assert self.checked.wait(DEADLINE_S), "no check in time"

    def take(self, topic: str, content_type: str | None, body: bytes) -> Answer:
        records = len(json.loads(body)["records"])
        with self._changed:
            answer = self.answers.popleft() if self.answers else self.always.get(topic)
            accepted = answer is None
            if answer is None:
                offsets = [{"partition": 0, "offset": n} for n in range(records)]
                answer = Answer(200, json.dumps({"offsets": offsets}).encode())
            self.requests.append(Request(topic, content_type, body, accepted))
            self._changed.notify_all()
        self.answering.wait(DEADLINE_S)
        return answer


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore connections that an interrupted sender has closed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def _handler(gateway: RecordingGateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._answer(gateway.check)
            gateway.checked.set()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            topic = self.path.removeprefix("/topics/")
            self._answer(gateway.take(topic, self.headers["Content-Type"], body))

        def _answer(self, answer: Answer) -> None:
            if not answer.status:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return Handler
