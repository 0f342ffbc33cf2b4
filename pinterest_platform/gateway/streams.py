"""The gateway's routes to Kinesis, those that API Gateway has in AWS."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pinterest_platform.errors import StreamError
from pinterest_platform.gateway.bodies import Bodies
from pinterest_platform.gateway.errors import (
    JSON_TYPE,
    RETRY_AFTER_SECONDS,
    RestError,
    answer,
)
from pinterest_platform.gateway.stream_bodies import parse_record, parse_records, parse_shards

if TYPE_CHECKING:
    from pinterest_platform.gateway.stream_client import Kinesis

# Kinesis answers in 10 to 20 ms: a thousand requests a second, more than one gateway process reads.
THREADS = 16

# A longer wait means that Kinesis hangs, and that clients time out before an answer.
TURN_SECONDS = 2.0

StreamAccess = Literal["any", "platform", "records", "none"]

T = TypeVar("T")
Action = Callable[[Request], Awaitable[Any]]


class Streams:
    """Passes requests on to Kinesis, in its own threads.

    Args:
        bodies: reads the requests' bodies.
        region: the streams' AWS region; None for the one in AWS's configuration.
        own: the platform's streams.
        access: which streams clients may use.
    """

    def __init__(
        self, bodies: Bodies, region: str | None, own: Collection[str], access: StreamAccess
    ) -> None:
        self._bodies = bodies
        self._region = region
        self._own = own
        self._access = access
        self._kinesis: Kinesis | None = None
        self._opening = threading.Lock()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="kinesis")
        self._turns = asyncio.Semaphore(THREADS)
        self.routes = [
            Route("/streams", _answering(self._list), methods=["GET"]),
            Route("/streams/{name}", _answering(self._stream), methods=["GET", "POST", "DELETE"]),
            Route("/streams/{name}/record", _answering(self._put), methods=["PUT"]),
            Route("/streams/{name}/records", _answering(self._put_all), methods=["PUT"]),
        ]

    def close(self) -> None:
        """End the threads once they are idle."""
        self._threads.shutdown(wait=False)

    async def _list(self, _: Request) -> dict[str, Any]:
        if self._access == "none":
            raise self._denied("streams")
        names = await self._call(lambda kinesis: kinesis.streams())
        if self._access != "any":
            names = [name for name in names if name in self._own]
        return {"HasMoreStreams": False, "StreamNames": names}

    async def _stream(self, request: Request) -> dict[str, Any]:
        if request.method == "POST":
            return await self._create(request)
        if request.method == "DELETE":
            return await self._delete(request)
        return await self._describe(request)

    async def _describe(self, request: Request) -> dict[str, Any]:
        name = self._allowed(request)
        return await self._call(lambda kinesis: kinesis.describe(name))

    async def _create(self, request: Request) -> dict[str, Any]:
        name = self._allowed(request, change=True)
        async with self._bodies.read(request, parse_shards) as shards:
            await self._call(lambda kinesis: kinesis.create(name, shards))
        return {}

    async def _delete(self, request: Request) -> dict[str, Any]:
        name = self._allowed(request, change=True)
        await self._call(lambda kinesis: kinesis.delete(name))
        return {}

    async def _put(self, request: Request) -> dict[str, Any]:
        name = self._allowed(request)
        async with self._bodies.read(request, parse_record) as record:
            return await self._call(lambda kinesis: kinesis.put(name, record))

    async def _put_all(self, request: Request) -> dict[str, Any]:
        name = self._allowed(request)
        async with self._bodies.read(request, parse_records) as records:
            return await self._call(lambda kinesis: kinesis.put_all(name, records))

    def _allowed(self, request: Request, *, change: bool = False) -> str:
        """The requested stream, if clients may use it.

        Raises:
            StreamError: 403, as from AWS if the API's role has no right to it.
        """
        name: str = request.path_params["name"]
        if self._access == "any":
            return name
        if self._access == "none":
            raise self._denied("streams")
        if name not in self._own:
            raise self._denied(f"other streams than {', '.join(sorted(self._own))}")
        if change and self._access == "records":
            raise self._denied("creating and deleting streams")
        return name

    def _denied(self, what: str) -> StreamError:
        return StreamError(
            403,
            "AccessDeniedException",
            f"this gateway does not allow {what} (PINTEREST_GATEWAY_STREAMS={self._access})",
        )

    async def _call(self, operation: "Callable[[Kinesis], T]") -> T:
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise StreamError(
                503, "ServiceUnavailableException", "Kinesis is slow: too many requests wait for it"
            ) from None
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, lambda: operation(self._open()))
        finally:
            self._turns.release()

    def _open(self) -> "Kinesis":
        with self._opening:
            if self._kinesis is None:
                # boto3 takes 0.14 s and 9 MB, which a gateway for topics only does not need.
                from pinterest_platform.gateway.stream_client import Kinesis  # noqa: PLC0415

                self._kinesis = Kinesis(self._region, THREADS)
            return self._kinesis


def _answering(action: Action) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that answers with the action's result, or its error in AWS's form."""

    async def endpoint(request: Request) -> Response:
        try:
            _check_content_type(request)
            return _json(200, await action(request))
        except StreamError as error:
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if error.status == 503 else None
            return _json(error.status, _error(error.type, error.message), headers)
        except RestError as error:
            return answer(request.scope["path"], error.status, str(error), headers=error.headers)

    return endpoint


def _check_content_type(request: Request) -> None:
    """Check the Content-Type even of requests without a body, as API Gateway does."""
    kind = request.headers.get("content-type")
    # API Gateway assumes JSON without the header.
    if kind is not None and kind.partition(";")[0].strip().lower() != JSON_TYPE:
        raise RestError(415, f"the Content-Type must be {JSON_TYPE}")


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"__type": kind, "message": message}


def _json(status: int, answer: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"), default=_epoch)
    return Response(text, status, headers, media_type=JSON_TYPE)


def _epoch(value: object) -> float:
    """A time as in AWS's JSON: seconds since 1970."""
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError(f"{type(value).__name__} is not JSON")
