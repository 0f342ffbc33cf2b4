"""The pace of posts, and a stop flag that ends waits early."""

import random
import time
from collections.abc import Iterator
from itertools import count
from queue import Empty, SimpleQueue
from threading import TIMEOUT_MAX

# Without a rate, posts are a random time apart, up to this.
LONGEST_WAIT_S = 2.0


class Stop:
    """A flag to wait for, which a signal handler may set.

    threading.Event can deadlock if its thread is interrupted inside ``wait`` and the signal handler
    calls ``set``; SimpleQueue.put is documented as safe there.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._wake: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """End all current and later waits."""
        self._is_set = True
        self._wake.put(None)

    def is_set(self) -> bool:
        """Whether ``set`` was called."""
        return self._is_set

    def wait(self, seconds: float) -> None:
        """Wait for so many seconds, or until the flag is set."""
        if self._is_set or seconds <= 0:
            return
        try:
            self._wake.get(timeout=min(seconds, TIMEOUT_MAX))
        except Empty:
            return


def due(rate: float | None, seed: int, stop: Stop) -> Iterator[int]:
    """Yield 0, 1, 2, ..., each number when its post is due, until ``stop`` is set.

    Args:
        rate: posts a second, counted from the first post: delays by a slow gateway are caught up.
            0 is as fast as possible; None waits a random time, 0 to 2 s, between posts.
        seed: the same seed gives the same waits; it does not affect the choice of posts.
        stop: ends the count and the current wait.
    """
    waits = random.Random(f"waits {seed}")  # noqa: S311 - a repeatable pace, no secret
    start = time.monotonic()
    for number in count():
        if number and rate is None:
            stop.wait(waits.uniform(0, LONGEST_WAIT_S))
        elif number and rate:
            stop.wait(start + number / rate - time.monotonic())
        if stop.is_set():
            return
        yield number
