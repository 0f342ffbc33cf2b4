"""Reading request bodies: limits on time, size and concurrency, and parsing in threads."""

import asyncio
import gc
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from starlette.requests import Request

from pinterest_platform.gateway.errors import RETRY_AFTER_SECONDS, UNAVAILABLE, RestError

T = TypeVar("T")

# The payload limit of Amazon API Gateway.
MAX_BODY_BYTES = 10 * 1024 * 1024

# A client reads the answer only after sending: discard up to this many times the limit.
DISCARDED_BODIES = 4

# Less than a stopping gateway waits for its requests; enough for a full body over 5 Mbit/s.
BODY_SECONDS = 20.0

# Parsing a body of this size takes about a millisecond; larger ones would delay other requests.
PARSED_ASIDE_BYTES = 64 * 1024

# Limit of the larger bodies together, from their first byte until their records are durable: four
# of the largest. A gateway has 512 MiB in deploy/ and infra/.
MAX_HELD_BYTES = 40 * 1024 * 1024

# A body that waits longer for memory is answered with 503: the client retries.
TURN_SECONDS = 2.0

# The Python objects of hostile JSON take many times its bytes. So bodies above this size are parsed
# one at a time, and none with more lists and objects than this, at 50 to 100 bytes each.
PARSED_ALONE_BYTES = 1024 * 1024
MAX_CONTAINERS = 1_000_000


class Bodies:
    """Reads bodies within limits.

    Args:
        max_bytes: longer bodies are answered 413.
        seconds: bodies that take longer to arrive are answered 408.
    """

    def __init__(self, max_bytes: int, seconds: float) -> None:
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._room = _Room(max(MAX_HELD_BYTES, max_bytes))
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="parse")
        self._alone = asyncio.Semaphore()

    def close(self) -> None:
        """End the threads once they are idle."""
        self._threads.shutdown(wait=False)

    @asynccontextmanager
    async def read(self, request: Request, parse: Callable[[bytes], T]) -> AsyncIterator[T]:
        """The parsed body; its bytes count against the limit until the block ends.

        Raises:
            RestError: 408, 413, 415 or 503; also any error of ``parse``.
        """
        if request.headers.get("content-encoding", "identity") != "identity":
            raise RestError(415, "a Content-Encoding is not supported: send the body uncompressed")
        size = self._announced(request)
        if size > self._max_bytes:
            await self._arrived(request, keep=False)
        taken = size if size > PARSED_ASIDE_BYTES else 0
        if not await self._room.take(taken):
            await self._arrived(request, keep=False)
            raise RestError(
                503,
                f"{MAX_HELD_BYTES} bytes of large requests are being processed: send the request "
                "again later, or send fewer records",
                code=UNAVAILABLE,
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            )
        try:
            yield await self._parsed(await self._arrived(request), parse)
        finally:
            self._room.give_back(taken)

    def _announced(self, request: Request) -> int:
        """The Content-Length; for a chunked body the largest allowed."""
        if "transfer-encoding" in request.headers:
            return self._max_bytes
        return int(request.headers.get("content-length") or 0)

    async def _parsed(self, body: bytes, parse: Callable[[bytes], T]) -> T:
        if len(body) <= PARSED_ASIDE_BYTES:
            return parse(body)
        loop = asyncio.get_running_loop()
        if len(body) <= PARSED_ALONE_BYTES:
            return await loop.run_in_executor(self._threads, parse, body)
        # Brackets in strings count, too; a real body of this size has about ten thousand.
        if body.count(b"[") + body.count(b"{") > MAX_CONTAINERS:
            raise RestError(
                413,
                f"the body has more than {MAX_CONTAINERS} lists and objects: send fewer records",
            )
        await self._alone.acquire()
        started = time.monotonic()
        # Python's garbage collector would scan the growing objects again and again: parsing takes
        # five times as long and blocks all other threads. JSON has no cycles.
        gc.disable()
        try:
            return await loop.run_in_executor(self._threads, parse, body)
        finally:
            gc.enable()
            # A value of 10 MB blocks all threads for a quarter of a second; then the others get as
            # much time before the next one.
            loop.call_later(time.monotonic() - started, self._alone.release)

    async def _arrived(self, request: Request, *, keep: bool = True) -> bytes:
        """The whole body; with ``keep=False``, or if it is too long, it is discarded."""
        body = bytearray()
        size = 0
        # An unread rest would be parsed as the next request.
        close = {"Connection": "close"}
        try:
            async with asyncio.timeout(self._seconds):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > self._max_bytes * DISCARDED_BODIES:
                        break
                    if keep and size <= self._max_bytes:
                        body += chunk
                    else:
                        body.clear()
        except TimeoutError:
            raise RestError(
                408, f"the body took more than {self._seconds:g} s to arrive", headers=close
            ) from None
        if size > self._max_bytes:
            raise RestError(
                413,
                f"the body has more than {self._max_bytes} bytes: send fewer records",
                headers=close,
            )
        return bytes(body)


class _Room:
    """A number of bytes that requests reserve, in the order of their arrival."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> bool:
        """Reserve bytes; False if too few are free in time."""
        if not size or (not self._waiting and size <= self._free):
            self._free -= size
            return True
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (size, turn)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.give_back(size)
            elif entry in self._waiting:
                self._waiting.remove(entry)
                self._hand_out()
            if isinstance(error, TimeoutError):
                return False
            raise
        return True

    def give_back(self, size: int) -> None:
        """Free reserved bytes."""
        self._free += size
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            size, turn = self._waiting.popleft()
            # The waiter may have timed out just now.
            if not turn.done():
                self._free -= size
                turn.set_result(None)
