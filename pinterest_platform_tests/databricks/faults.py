"""The faults of the workspace: each is a switch that a test sets while it runs."""

import threading
import time
from collections import deque
from collections.abc import Callable

from pinterest_platform_tests.databricks.api import Answer, ApiError

_SLOW_DOWN = ApiError(429, "REQUEST_LIMIT_EXCEEDED", "Current request has been rate limited.")
_DOWN = ApiError(503, "TEMPORARILY_UNAVAILABLE", "The service is temporarily unavailable.")


class Dropped(Exception):
    """The connection is to be closed without an answer."""


class Faults:
    """Faults of the API are used up one a request, in the order in which they were asked for."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.pending_held = False
        self.cluster_terminated = False
        self.message_delay = 0.0
        self._answers: deque[Answer | None] = deque()
        self._offline = False
        self._submits_to_lose = 0
        self._on_kill: list[Callable[[], None]] = []
        self._on_terminate: list[Callable[[], None]] = []

    def throttle(self, requests: int) -> None:
        """The next requests are answered 429, to be tried again at once."""
        self._add(requests, _answer(_SLOW_DOWN))

    def unavailable(self, requests: int) -> None:
        """The next requests are answered 503, to be tried again at once."""
        self._add(requests, _answer(_DOWN))

    def drop(self, requests: int) -> None:
        """The connections of the next requests are closed without an answer."""
        self._add(requests, None)

    def lose_answer_of_submit(self) -> None:
        """The next submit makes its run, but its connection is closed instead of an answer."""
        with self.changed:
            self._submits_to_lose += 1

    def offline(self) -> None:
        """From now on each connection is closed without an answer."""
        self._offline = True

    def online(self) -> None:
        """The end of ``offline``."""
        self._offline = False

    def hold_pending(self) -> None:
        """Runs that do not run yet stay pending."""
        with self.changed:
            self.pending_held = True

    def let_go(self) -> None:
        """The end of ``hold_pending``."""
        with self.changed:
            self.pending_held = False
            self.changed.notify_all()

    def terminate_cluster(self) -> None:
        """The existing cluster ends, with what runs on it, and does not start again."""
        with self.changed:
            self.cluster_terminated = True
        for call in self._on_terminate:
            call()

    def kill_tasks(self) -> None:
        """Kill the processes of the tasks that run, as a driver out of memory would."""
        for call in self._on_kill:
            call()

    def delay_messages(self, seconds: float) -> None:
        """The API knows what tasks write into volumes only so long after the last of them ended."""
        self.message_delay = seconds

    def on_kill(self, call: Callable[[], None]) -> None:
        """What ``kill_tasks`` does."""
        self._on_kill.append(call)

    def on_terminate(self, call: Callable[[], None]) -> None:
        """What ``terminate_cluster`` does."""
        self._on_terminate.append(call)

    def of_request(self) -> Answer | None:
        """What a request meets instead of its answer.

        Raises:
            Dropped: its connection is to be closed.
        """
        if self._offline:
            raise Dropped
        with self.changed:
            if not self._answers:
                return None
            answer = self._answers.popleft()
        if answer is None:
            raise Dropped
        return answer

    def after_submit(self) -> None:
        """What the answer of a submit meets.

        Raises:
            Dropped: its connection is to be closed.
        """
        with self.changed:
            if not self._submits_to_lose:
                return
            self._submits_to_lose -= 1
        raise Dropped

    def hides(self, last_end: float | None) -> bool:
        """Whether what tasks wrote is not known yet; ``last_end`` is None while one runs."""
        if not self.message_delay:
            return False
        return last_end is None or time.monotonic() < last_end + self.message_delay

    def _add(self, requests: int, answer: Answer | None) -> None:
        with self.changed:
            self._answers.extend([answer] * requests)


def _answer(error: ApiError) -> Answer:
    return Answer(error.status, error.answer().json, headers={"Retry-After": "0"})
