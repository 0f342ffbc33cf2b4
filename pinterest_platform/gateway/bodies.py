"""How a request's body arrives: how long, how large, and parsed where it holds up nobody."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from starlette.requests import Request

from pinterest_platform.gateway.errors import RestError

T = TypeVar("T")

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


class Bodies:
    """Reads bodies within limits.

    Args:
        max_bytes: a longer body is answered 413.
        seconds: a body that takes longer to arrive is answered 408.
    """

    def __init__(self, max_bytes: int, seconds: float) -> None:
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def read(self, request: Request, parse: Callable[[bytes], T]) -> T:
        """The body as ``parse`` understands it.

        Raises:
            RestError: 408, 413 or 415 when the body cannot be taken; whatever ``parse`` raises.
        """
        body = await self._arrived(request)
        if len(body) > PARSED_ASIDE_BYTES:
            return await asyncio.to_thread(parse, body)
        return parse(body)

    async def _arrived(self, request: Request) -> bytes:
        if request.headers.get("content-encoding", "identity") != "identity":
            raise RestError(415, "a body with a Content-Encoding is not read: send it uncompressed")
        body = bytearray()
        size = 0
        # What is left of a body cannot be told from a next request: the connection ends with it.
        close = {"Connection": "close"}
        try:
            async with asyncio.timeout(self._seconds):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size <= self._max_bytes:
                        body += chunk
                    elif size > self._max_bytes * DISCARDED_BODIES:
                        break
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
