"""How a tick looks at many places at once, within its time, and what it finds there."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

# After so long a tick asks for nothing further, and goes on with what it has seen once the answers
# that it still waits for are there, or are late. It must end within 30 s; what remains of them is
# for a busy instance.
BUDGET_SECONDS = 15.0
_LATE_SECONDS = 10.0

# A partition or shard costs a request or two of some 50 ms, so that in its time a tick can look at
# thousands of them.
REQUESTS_AT_ONCE = 32

K = TypeVar("K")
T = TypeVar("T")


@dataclass(frozen=True)
class Arrivals:
    """What is new of a topic or stream: how many objects or records, and when they arrived."""

    count: int
    bytes: int
    days: frozenset[date]  # UTC dates of arrival
    newest: datetime

    def __add__(self, other: "Arrivals") -> "Arrivals":
        return Arrivals(
            self.count + other.count,
            self.bytes + other.bytes,
            self.days | other.days,
            max(self.newest, other.newest),
        )


def at_once(
    looks: Mapping[K, Callable[[], T]], deadline: float
) -> tuple[dict[K, T], list[BaseException]]:
    """Look at many places at once; who has no answer ten seconds after the deadline is left alone.

    Args:
        looks: each ends by itself after the deadline, with what it has seen.
        deadline: as ``time.monotonic`` tells the time.

    Returns:
        What was answered, and the errors that were met.
    """
    threads = ThreadPoolExecutor(REQUESTS_AT_ONCE)
    futures = {key: threads.submit(look) for key, look in looks.items()}
    done, _ = wait(futures.values(), timeout=max(0.0, deadline + _LATE_SECONDS - time.monotonic()))
    # Who hangs ends by the patience of its own client; the tick does not wait for it.
    threads.shutdown(wait=False, cancel_futures=True)
    errors = [error for future in done if (error := future.exception()) is not None]
    answers = {
        key: future.result()
        for key, future in futures.items()
        if future in done and future.exception() is None
    }
    return answers, errors
