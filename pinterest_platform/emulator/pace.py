"""When the next post is due, and how waiting ends early."""

import random
import time
from collections.abc import Iterator
from itertools import count
from queue import Empty, SimpleQueue
from threading import TIMEOUT_MAX

# Seconds between two posts when no rate is asked for: at random between 0 and this.
LONGEST_WAIT_S = 2.0


class Stop:
    """A flag that can be set from a signal handler and waited for.

    threading.Event can lock up when its own thread is interrupted inside ``wait`` and the signal
    handler then calls ``set``; SimpleQueue.put is documented as safe there.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._wake: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """End all waits, now and from now on."""
        self._is_set = True
        self._wake.put(None)

    def is_set(self) -> bool:
        """Whether ``set`` was called."""
        return self._is_set

    def wait(self, seconds: float) -> None:
        """Wait so many seconds, or until the flag is set."""
        if self._is_set or seconds <= 0:
            return
        try:
            self._wake.get(timeout=min(seconds, TIMEOUT_MAX))
        except Empty:
            return


def due(rate: float | None, seed: int, stop: Stop) -> Iterator[int]:
    """Count 0, 1, 2, ... and give each number when its post is due; end when ``stop`` is set.

    Args:
        rate: posts a second, counted from the first post, so that the pace does not drift: what a
            slow gateway delayed is made up for. 0 is as fast as possible, None waits at random,
            0 to 2 s between two posts.
        seed: the same seed gives the same waits; it has no part in which posts are picked.
        stop: ends the count, and the wait it is in.
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
