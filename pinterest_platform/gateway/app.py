"""The gateway as an ASGI app, and its topics: Kafka REST v2 for JSON records.

Access control is in ``access``, the reading of bodies in ``bodies``, Kinesis in ``streams``.
"""

import asyncio
import itertools
import time
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from email.message import Message

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pinterest_platform.errors import PlatformError
from pinterest_platform.gateway import topic_bodies
from pinterest_platform.gateway.access import Access
from pinterest_platform.gateway.bodies import BODY_SECONDS, MAX_BODY_BYTES, Bodies
from pinterest_platform.gateway.errors import (
    KAFKA_TYPE,
    PARTITION_NOT_FOUND,
    RETRY_AFTER_SECONDS,
    TOPIC_NOT_FOUND,
    UNAVAILABLE,
    RestError,
    answer,
)
from pinterest_platform.gateway.openapi import RECORDS_TYPE, describe
from pinterest_platform.gateway.streams import StreamAccess, Streams
from pinterest_platform.gateway.topic_bodies import MAX_VALUE_BYTES, Record
from pinterest_platform.gateway.topics import Topics

# S3 charges for the requests of a check, which needs no token.
HEALTH_SECONDS = 1.0

_NO_ROUTE = (
    "no such route: the gateway has /topics, /topics/{topic}, /streams, /streams/{stream}, "
    "/streams/{stream}/record, /streams/{stream}/records, /health and /openapi.json. Leave out a "
    "stage before them, such as /dev: only API Gateway has stages"
)


def create_app(
    topics: Topics,
    names: Collection[str],
    *,
    region: str | None = None,
    streams: Collection[str] = (),
    stream_access: StreamAccess = "platform",
    hosts: Collection[str] = (),
    token: str = "",
    max_body_bytes: int = MAX_BODY_BYTES,
    max_value_bytes: int = MAX_VALUE_BYTES,
    body_seconds: float = BODY_SECONDS,
) -> Starlette:
    """The gateway as an ASGI app: topics to landing objects or Kafka, streams to Kinesis.

    Args:
        topics: where the records of topics are stored; closed with the app.
        names: the topics.
        region: the streams' AWS region; None for the one in AWS's configuration.
        streams: the platform's streams.
        stream_access: which streams clients may use, and for which operations.
        hosts: allowed names in Host, besides addresses and localhost.
        token: what clients must send; empty to give every client access.
        max_body_bytes: longer bodies are answered 413.
        max_value_bytes: records with a longer value, as compact UTF-8 JSON, are answered 413.
        body_seconds: bodies that take longer to arrive are answered 408.
    """
    bodies = Bodies(max_body_bytes, body_seconds)
    gateway = _Gateway(topics, names, bodies, max_value_bytes)
    kinesis = Streams(bodies, region, streams, stream_access)

    known = None if stream_access == "any" else streams
    described = describe(names, known, guarded=bool(token))

    async def openapi(_: Request) -> Response:
        return JSONResponse(described)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        kinesis.close()
        bodies.close()
        await topics.close()

    return Starlette(
        routes=[
            Route("/health", gateway.health, methods=["GET"]),
            Route("/openapi.json", openapi, methods=["GET"]),
            Route("/topics", gateway.list_topics, methods=["GET"]),
            Route("/topics/{topic}", gateway.topic, methods=["GET", "POST"]),
            *kinesis.routes,
        ],
        middleware=[Middleware(Access, hosts=hosts, token=token)],
        exception_handlers={
            RestError: _answer_rest_error,
            PlatformError: _answer_unavailable,
            HTTPException: _answer_http_exception,
            ClientDisconnect: _answer_disconnected,
            Exception: _answer_unexpected,
        },
        lifespan=lifespan,
    )


class _Gateway:
    def __init__(
        self,
        topics: Topics,
        names: Collection[str],
        bodies: Bodies,
        max_value_bytes: int,
    ) -> None:
        self._topics = topics
        self._bodies = bodies
        self._max_value_bytes = max_value_bytes
        self._names = sorted(names)
        self._check: asyncio.Task[PlatformError | None] | None = None
        self._checked = float("-inf")
        # Per request, not per record, so that a request becomes one object, as in Kafka.
        self._turns = {name: itertools.count() for name in self._names}

    async def health(self, request: Request) -> Response:
        trusted = request.state.trusted
        failure = await self._failure(0 if trusted else HEALTH_SECONDS)
        if failure is None:
            return JSONResponse({"status": "ok"} | ({"topics": self._names} if trusted else {}))
        report = {"status": "unavailable", "error_code": UNAVAILABLE}
        report |= {"message": str(failure)} if trusted else {}
        return JSONResponse(report, 503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})

    async def _failure(self, age: float) -> PlatformError | None:
        """The error of a check that is at most ``age`` seconds old."""
        if self._check is None or (self._check.done() and time.monotonic() >= self._checked + age):
            self._check = asyncio.ensure_future(self._run_check())
        return await asyncio.shield(self._check)

    async def _run_check(self) -> PlatformError | None:
        try:
            await self._topics.check()
        except PlatformError as error:
            return error
        finally:
            self._checked = time.monotonic()
        return None

    async def list_topics(self, _: Request) -> Response:
        return JSONResponse(self._names, media_type=KAFKA_TYPE)

    async def topic(self, request: Request) -> Response:
        if request.method == "POST":
            return await self._produce(request)
        topic = self._known_topic(request)
        replica = {"broker": 0, "leader": True, "in_sync": True}
        description = {
            "name": topic,
            "configs": {},
            "partitions": [
                {"partition": partition, "leader": 0, "replicas": [replica]}
                for partition in range(await self._topics.partitions(topic))
            ],
        }
        return JSONResponse(description, media_type=KAFKA_TYPE)

    async def _produce(self, request: Request) -> Response:
        _check_content_type(request)
        topic = self._known_topic(request)
        async with self._bodies.read(
            request, lambda body: topic_bodies.parse(body, self._max_value_bytes)
        ) as parsed:
            offsets = await self._append(topic, parsed)
        acknowledged = {"key_schema_id": None, "offsets": offsets, "value_schema_id": None}
        return JSONResponse(acknowledged, media_type=RECORDS_TYPE)

    async def _append(self, topic: str, parsed: Sequence[Record]) -> list[dict[str, int]]:
        partitions = await self._topics.partitions(topic)
        indexes: dict[int, list[int]] = defaultdict(list)
        for index, partition in enumerate(self._choose_partitions(topic, partitions, parsed)):
            indexes[partition].append(index)
        appended = await asyncio.gather(
            *(
                self._topics.append(topic, partition, [parsed[index] for index in chosen])
                for partition, chosen in indexes.items()
            ),
            # Wait for all: a failure in one partition must not hide those in others.
            return_exceptions=True,
        )
        offsets: dict[int, dict[str, int]] = {}
        for (partition, chosen), result in zip(indexes.items(), appended, strict=True):
            if isinstance(result, BaseException):
                # Fail the whole request: a client may check only the status.
                raise result
            for offset, index in zip(result, chosen, strict=True):
                offsets[index] = {"offset": offset, "partition": partition}
        return [offsets[index] for index in range(len(parsed))]

    def _choose_partitions(
        self, topic: str, partitions: int, parsed: Sequence[Record]
    ) -> Iterator[int]:
        """Each record's partition: as requested, by its key, or round robin by request.

        The key's compact JSON is hashed as by librdkafka's ``consistent`` partitioner.
        """
        for index, record in enumerate(parsed):
            if record.partition is not None and not 0 <= record.partition < partitions:
                raise RestError(
                    404,
                    f"record {index} names a partition that does not exist: "
                    f"{topic} has {partitions}, counted from 0",
                    code=PARTITION_NOT_FOUND,
                )
        turn: int | None = None
        for record in parsed:
            if record.partition is not None:
                yield record.partition
            elif record.key is not None:
                yield zlib.crc32(record.key) % partitions
            else:
                turn = next(self._turns[topic]) if turn is None else turn
                yield turn % partitions

    def _known_topic(self, request: Request) -> str:
        topic: str = request.path_params["topic"]
        if topic not in self._names:
            raise RestError(
                404,
                f"topic not found: the gateway has {', '.join(self._names)} "
                "(PINTEREST_ID sets their prefix)",
                code=TOPIC_NOT_FOUND,
            )
        return topic


def _check_content_type(request: Request) -> None:
    header = Message()
    header["Content-Type"] = request.headers.get("content-type", "")
    charset = header.get_content_charset("utf-8")
    if header.get_content_type() != RECORDS_TYPE or charset not in ("utf-8", "utf8"):
        raise RestError(415, f"the Content-Type must be {RECORDS_TYPE}, in UTF-8")


async def _answer_rest_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, RestError):
        raise error
    return answer(
        request.scope["path"], error.status, str(error), code=error.code, headers=error.headers
    )


async def _answer_unavailable(request: Request, error: Exception) -> Response:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return answer(request.scope["path"], 503, str(error), code=UNAVAILABLE, headers=headers)


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    message = _NO_ROUTE if error.status_code == 404 else error.detail
    return answer(request.scope["path"], error.status_code, message, headers=error.headers)


async def _answer_disconnected(_: Request, __: Exception) -> Response:
    return Response(status_code=400)


async def _answer_unexpected(request: Request, __: Exception) -> Response:
    return answer(request.scope["path"], 500, "the gateway failed: see its log")
