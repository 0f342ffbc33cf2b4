"""Serves moto's applications, one request at a time, over persistent connections."""

import io
import threading
import traceback
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from typing_extensions import override
from werkzeug.serving import make_server
from werkzeug.test import run_wsgi_app

from pinterest_platform.local_aws import moto_kinesis

# moto is not thread-safe: two concurrent PutRecord get the same sequence number, and one record is
# lost.
_ONE_AT_A_TIME = threading.Lock()

# Answers with these statuses have no body and no Content-Length (RFC 9110).
_WITHOUT_BODY = ("204", "304")


def serve() -> None:
    """Serve AWS on a free port of this machine for ever; its URL is printed on stdout."""
    moto_kinesis.correct()
    server = make_server(
        "127.0.0.1",
        0,
        DomainDispatcherApplication(create_backend_app),
        threaded=True,
        request_handler=_Request,
    )
    print(f"Local AWS listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


class _Request(MotoRequestHandler):
    """The requests of one connection, one after the other.

    werkzeug closes the connection after each request, and waits 10 ms for more of the body first.
    Here the body is read to its end before the lock is taken: the next request follows it, and slow
    clients do not block others.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @override
    def run_wsgi(self) -> None:
        environ = self.make_environ()
        length = int(environ.get("CONTENT_LENGTH") or 0)
        source: Any = environ["wsgi.input"]
        body = source.read() if environ.get("wsgi.input_terminated") else source.read(length)
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        try:
            with _ONE_AT_A_TIME:
                parts, status, headers = run_wsgi_app(self.server.app, environ, buffered=True)
        except Exception:
            # moto fails on requests that it does not support: a 500, as for AWS's own failures.
            traceback.print_exc()
            self.send_error(500)
            return
        content = b"".join(parts)
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if "Content-Length" not in headers and not code.startswith(_WITHOUT_BODY):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    @override
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: errors have a traceback."""
