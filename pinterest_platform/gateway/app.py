"""The HTTP side of the gateway: routes, limits and answers of Kafka REST v2 for JSON records."""

import asyncio
import itertools
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from email.message import Message

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pinterest_platform.errors import PlatformError
from pinterest_platform.gateway import records
from pinterest_platform.gateway.errors import (
    LANDING_UNAVAILABLE,
    PARTITION_NOT_FOUND,
    TOPIC_NOT_FOUND,
    RestError,
)
from pinterest_platform.gateway.log import LandingLog
from pinterest_platform.gateway.objects import open_objects
from pinterest_platform.gateway.records import MAX_VALUE_BYTES, Record
from pinterest_platform.landing import Store

RECORDS_TYPE = "application/vnd.kafka.json.v2+json"
OTHER_TYPE = "application/vnd.kafka.v2+json"

# The payload limit of Amazon API Gateway, which stands before the REST proxy in AWS.
MAX_BODY_BYTES = 10 * 1024 * 1024

# A client that is still sending when it is refused does not look for the answer: so the rest of
# its body is read and thrown away, up to this many times the limit.
DISCARDED_BODIES = 4

# Less than a stopping gateway waits for its requests, so that a client which stalls in the middle
# of a body cannot hold it up; enough for a full body over 5 Mbit/s.
BODY_SECONDS = 20.0

# Reading a body of this size takes about a millisecond; longer ones would hold up other requests.
PARSED_ASIDE_BYTES = 64 * 1024

# Long enough for a folder to be mended or S3 to recover, short enough for a waiting client.
RETRY_AFTER_SECONDS = 5


def create_app(
    store: Store,
    topics: Collection[str],
    partitions: int,
    *,
    max_body_bytes: int = MAX_BODY_BYTES,
    max_value_bytes: int = MAX_VALUE_BYTES,
    body_seconds: float = BODY_SECONDS,
) -> Starlette:
    """The gateway as an ASGI app that appends to the landing objects of a store.

    Args:
        store: opened by ``landing.open_store``.
        topics: the only names that can be posted to.
        partitions: of each topic.
        max_body_bytes: a longer body is answered 413.
        max_value_bytes: a record with a longer value, as compact UTF-8 JSON, is answered 413.
        body_seconds: a body that takes longer to arrive is answered 408.
    """
    log = LandingLog(open_objects(store), topics, partitions)
    gateway = _Gateway(
        log,
        topics,
        partitions,
        max_body_bytes=max_body_bytes,
        max_value_bytes=max_value_bytes,
        body_seconds=body_seconds,
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await log.close()

    return Starlette(
        routes=[
            Route("/health", gateway.health, methods=["GET"]),
            Route("/topics", gateway.list_topics, methods=["GET"]),
            Route("/topics/{topic}", gateway.topic, methods=["GET", "POST"]),
        ],
        exception_handlers={
            RestError: _answer_rest_error,
            PlatformError: _answer_unavailable,
            HTTPException: _answer_http_exception,
            ClientDisconnect: _answer_nobody,
            Exception: _answer_unexpected,
        },
        lifespan=lifespan,
    )


class _Gateway:
    def __init__(
        self,
        log: LandingLog,
        topics: Collection[str],
        partitions: int,
        *,
        max_body_bytes: int,
        max_value_bytes: int,
        body_seconds: float,
    ) -> None:
        self._log = log
        self._max_body_bytes = max_body_bytes
        self._max_value_bytes = max_value_bytes
        self._body_seconds = body_seconds
        self._partitions = partitions
        self._topics = sorted(topics)
        # Records without a key go round robin by request, not by record, so that one request
        # becomes one object; Kafka's producer keeps a batch together in the same way.
        self._turns = {topic: itertools.cycle(range(partitions)) for topic in self._topics}

    async def health(self, _: Request) -> Response:
        try:
            await self._log.check()
        except PlatformError as error:
            answer = {
                "status": "unavailable",
                "error_code": LANDING_UNAVAILABLE,
                "message": str(error),
            }
            return JSONResponse(answer, 503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
        return JSONResponse({"status": "ok", "topics": self._topics})

    async def list_topics(self, _: Request) -> Response:
        return JSONResponse(self._topics, media_type=OTHER_TYPE)

    async def topic(self, request: Request) -> Response:
        if request.method == "POST":
            return await self._produce(request)
        replica = {"broker": 0, "leader": True, "in_sync": True}
        description = {
            "name": self._known_topic(request),
            "configs": {},
            "partitions": [
                {"partition": partition, "leader": 0, "replicas": [replica]}
                for partition in range(self._partitions)
            ],
        }
        return JSONResponse(description, media_type=OTHER_TYPE)

    async def _produce(self, request: Request) -> Response:
        _check_content_type(request)
        topic = self._known_topic(request)
        body = await self._body(request)
        if len(body) > PARSED_ASIDE_BYTES:
            parsed = await asyncio.to_thread(records.parse, body, self._max_value_bytes)
        else:
            parsed = records.parse(body, self._max_value_bytes)
        offsets = await self._append(topic, parsed)
        answer = {"key_schema_id": None, "offsets": offsets, "value_schema_id": None}
        return JSONResponse(answer, media_type=RECORDS_TYPE)

    async def _append(self, topic: str, parsed: Sequence[Record]) -> list[dict[str, int]]:
        indexes: dict[int, list[int]] = defaultdict(list)
        for index, partition in enumerate(self._choose_partitions(topic, parsed)):
            indexes[partition].append(index)
        appended = await asyncio.gather(
            *(
                self._log.append(topic, partition, [parsed[index].line for index in chosen])
                for partition, chosen in indexes.items()
            ),
            # All are waited for: a failure in one partition must not leave the others unobserved.
            return_exceptions=True,
        )
        offsets: dict[int, dict[str, int]] = {}
        for (partition, chosen), first in zip(indexes.items(), appended, strict=True):
            if isinstance(first, BaseException):
                # The whole request is refused even if other partitions have their records
                # already: a client that only looks at the status must not lose any.
                raise first
            for offset, index in enumerate(chosen, first):
                offsets[index] = {"offset": offset, "partition": partition}
        return [offsets[index] for index in range(len(parsed))]

    def _choose_partitions(self, topic: str, parsed: Sequence[Record]) -> Iterator[int]:
        """The asked one; else by the key's compact JSON; else the turn of this request."""
        for index, record in enumerate(parsed):
            if record.partition is not None and not 0 <= record.partition < self._partitions:
                raise RestError(
                    404,
                    f"record {index} is for a partition that does not exist: "
                    f"{topic} has {self._partitions}, counted from 0",
                    code=PARTITION_NOT_FOUND,
                )
        turn: int | None = None
        for record in parsed:
            if record.partition is not None:
                yield record.partition
            elif record.key is not None:
                yield zlib.crc32(record.key) % self._partitions
            else:
                turn = next(self._turns[topic]) if turn is None else turn
                yield turn

    def _known_topic(self, request: Request) -> str:
        topic: str = request.path_params["topic"]
        if topic not in self._topics:
            raise RestError(
                404,
                f"topic not found: here are {', '.join(self._topics)} "
                "(PINTEREST_ID sets what they begin with)",
                code=TOPIC_NOT_FOUND,
            )
        return topic

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        size = 0
        # What is left of a body cannot be told from a next request: the connection ends with it.
        close = {"Connection": "close"}
        try:
            async with asyncio.timeout(self._body_seconds):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size <= self._max_body_bytes:
                        body += chunk
                    elif size > self._max_body_bytes * DISCARDED_BODIES:
                        break
        except TimeoutError:
            raise RestError(
                408, f"the body took more than {self._body_seconds:g} s to arrive", headers=close
            ) from None
        if size > self._max_body_bytes:
            raise RestError(
                413,
                f"the body has more than {self._max_body_bytes} bytes: send fewer records",
                headers=close,
            )
        return bytes(body)


def _check_content_type(request: Request) -> None:
    header = Message()
    header["Content-Type"] = request.headers.get("content-type", "")
    charset = header.get_content_charset("utf-8")
    if header.get_content_type() != RECORDS_TYPE or charset not in ("utf-8", "utf8"):
        raise RestError(415, f"the Content-Type must be {RECORDS_TYPE}, in UTF-8")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise RestError(415, "a body with a Content-Encoding is not read: send it uncompressed")


async def _answer_rest_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, RestError):
        raise error
    return _error(error.status, error.code, str(error), error.headers)


async def _answer_unavailable(_: Request, error: Exception) -> Response:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return _error(503, LANDING_UNAVAILABLE, str(error), headers)


async def _answer_http_exception(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers or {})
    return _error(error.status_code, error.status_code, error.detail, headers)


async def _answer_nobody(_: Request, __: Exception) -> Response:
    return Response(status_code=400)


async def _answer_unexpected(_: Request, __: Exception) -> Response:
    return _error(500, 500, "the gateway failed: its log says why")


def _error(
    status: int, code: int, message: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    answer = {"error_code": code, "message": message}
    return JSONResponse(answer, status, headers=headers, media_type=OTHER_TYPE)
