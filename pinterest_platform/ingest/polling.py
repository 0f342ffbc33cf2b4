"""Polls many partitions or shards in parallel within a sensor tick's time budget."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

# After this time a tick sends no further requests, then waits for pending ones until they are late.
# A tick must end within 30 s; the remaining seconds are a margin for a busy instance.
BUDGET_SECONDS = 15.0
_LATE_SECONDS = 10.0

# A partition or shard costs one or two requests of about 50 ms, so a tick can poll thousands.
REQUESTS_AT_ONCE = 32

K = TypeVar("K")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """New data of a topic or stream: the number of objects or records, their size and arrival."""

    count: int
    bytes: int
    days: frozenset[date]  # UTC dates of arrival
    newest: datetime

    def __add__(self, other: "Arrivals") -> "Arrivals":
        return Arrivals(
            count=self.count + other.count,
            bytes=self.bytes + other.bytes,
            days=self.days | other.days,
            newest=max(self.newest, other.newest),
        )


@dataclass(frozen=True)
class Nothing:
    """The channel cannot have arrivals, and why."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """The result of one poll of a channel.

    Args:
        arrivals: the arrivals of each kind that has any.
        cursor: the text of the cursor after them.
        is_covered: whether a raw table with this watermark (as JSON) has ingested the arrivals of
            a kind.
        counted: the noun of ``Arrivals.count``: objects or records.
        polled: the polled places and their content, for the reason to request no run.
    """

    arrivals: Mapping[str, Arrivals]
    cursor: str
    is_covered: Callable[[str, Mapping[str, Any]], bool]
    counted: str
    polled: str


def at_once(
    requests: Mapping[K, Callable[[], T]], deadline: float
) -> tuple[dict[K, T], list[BaseException]]:
    """Run requests in parallel; those still pending ten seconds after the deadline are abandoned.

    Args:
        requests: the requests by key; after the deadline each returns its findings so far.
        deadline: on the clock of ``time.monotonic``, in seconds.

    Returns:
        The results by key, and the errors.
    """
    threads = ThreadPoolExecutor(REQUESTS_AT_ONCE)
    futures = {key: threads.submit(request) for key, request in requests.items()}
    done, _ = wait(futures.values(), timeout=max(0.0, deadline + _LATE_SECONDS - time.monotonic()))
    # Hung calls end at their client's timeout; the tick does not wait for them.
    threads.shutdown(wait=False, cancel_futures=True)
    errors = [error for future in done if (error := future.exception()) is not None]
    answers = {
        key: future.result()
        for key, future in futures.items()
        if future in done and future.exception() is None
    }
    return answers, errors
