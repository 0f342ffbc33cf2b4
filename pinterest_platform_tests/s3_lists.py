"""An S3 server with any number of landing objects, which counts its requests.

It supports reading: ListObjectsV2, HEAD and GET. moto takes minutes for 100,000 objects.
"""

import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from typing_extensions import override

from pinterest_platform_tests.local_aws import CREDENTIALS

BUCKET = "landing-bucket"
PLACE = f"s3://{BUCKET}"


@dataclass
class S3:
    """A bucket: its objects by key, and its requests."""

    endpoint: str = ""
    objects: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)  # "LIST <prefix>", "GET <key>", ...
    listed: int = 0  # keys in answers to lists
    answer_seconds: float = 0  # delay of every answer
    gate: threading.Event = field(
        default_factory=threading.Event
    )  # cleared: no request is answered
    _names: list[str] = field(default_factory=list)

    def put(self, key: object, content: bytes, arrived_at: datetime) -> None:
        """Write an object."""
        self.objects[str(key)] = content, arrived_at

    @property
    def environment(self) -> dict[str, str]:
        """The environment with which clients find it."""
        return CREDENTIALS | {"AWS_ENDPOINT_URL": self.endpoint}

    def forget_requests(self) -> None:
        """Restart the count."""
        self.requests.clear()
        self.listed = 0

    def list(self, prefix: str, delimiter: str, after: str, most: int) -> bytes:
        """The answer to ListObjectsV2."""
        if len(self._names) != len(self.objects):
            self._names = sorted(self.objects)
        names = self._names
        position = max(bisect_left(names, prefix), bisect_right(names, after) if after else 0)
        keys: list[str] = []
        prefixes: list[str] = []
        token = ""
        while position < len(names) and names[position].startswith(prefix):
            if len(keys) + len(prefixes) == most:
                token = keys[-1] if not prefixes else prefixes[-1] + "\U0010ffff"
                break
            head, found, _ = names[position][len(prefix) :].partition(delimiter or "\0")
            if delimiter and found:
                prefixes.append(prefix + head + delimiter)
                position = bisect_left(names, prefixes[-1] + "\U0010ffff")
            else:
                keys.append(names[position])
                position += 1
        self.listed += len(keys)
        parts = [
            f"<Contents><Key>{escape(key)}</Key><Size>{len(content)}</Size><ETag>&quot;x&quot;"
            f"</ETag><LastModified>{at.strftime('%Y-%m-%dT%H:%M:%S.000Z')}</LastModified></Contents>"
            for key in keys
            for content, at in [self.objects[key]]
        ]
        parts += [
            f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in prefixes
        ]
        if token:
            parts.append(f"<NextContinuationToken>{escape(token)}</NextContinuationToken>")
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix><MaxKeys>{most}</MaxKeys>"
            f"<KeyCount>{len(keys) + len(prefixes)}</KeyCount>"
            f"<IsTruncated>{str(bool(token)).lower()}</IsTruncated>{''.join(parts)}"
            "</ListBucketResult>"
        ).encode()


@contextmanager
def running_s3() -> Iterator[S3]:
    """An empty bucket, served until the block ends."""
    s3 = S3()
    s3.gate.set()
    handler = type("Served", (_Served,), {"s3": s3})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        # Do not wait for clients that still wait for an answer.
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        s3.endpoint = f"http://127.0.0.1:{server.server_port}"
        try:
            yield s3
        finally:
            s3.gate.set()
            server.shutdown()
            thread.join()


class _Served(BaseHTTPRequestHandler):
    s3: S3
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        parameters = {name: values[0] for name, values in parse_qs(url.query).items()}
        key = unquote(url.path).removeprefix(f"/{BUCKET}").lstrip("/")
        if not key:
            self.s3.requests.append(f"LIST {parameters.get('prefix', '')}")
            self._take_time()
            after = parameters.get("continuation-token") or parameters.get("start-after", "")
            content = self.s3.list(
                parameters.get("prefix", ""),
                parameters.get("delimiter", ""),
                after,
                int(parameters.get("max-keys", 1000)),
            )
            self._answer(200, content, {"Content-Type": "application/xml"})
            return
        self.s3.requests.append(f"{self.command} {key}")
        self._take_time()
        if key not in self.s3.objects:
            self._answer(404, b"", {})
            return
        content, arrived_at = self.s3.objects[key]
        modified = format_datetime(arrived_at.astimezone(UTC), usegmt=True)
        self._answer(200, content, {"Last-Modified": modified, "ETag": '"x"'})

    do_HEAD = do_GET

    def _take_time(self) -> None:
        time.sleep(self.s3.answer_seconds)
        self.s3.gate.wait()

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass
