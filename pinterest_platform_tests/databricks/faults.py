"""The faults of the workspace, which tests switch on and off."""

import threading
import time
from collections import deque
from collections.abc import Callable

from pinterest_platform_tests.databricks.api import Answer, ApiError

_SLOW_DOWN = ApiError(429, "REQUEST_LIMIT_EXCEEDED", "Current request has been rate limited.")
_DOWN = ApiError(503, "TEMPORARILY_UNAVAILABLE", "The service is temporarily unavailable.")


class Dropped(Exception):
    """Close the connection without an answer."""


class Faults:
    """Each fault of the API applies to one request, in the order of the calls."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.pending_is_held = False
        self.cluster_terminated = False
        self.message_delay = 0.0
        self._answers: deque[Answer | None] = deque()
        self._offline = False
        self._submits_to_lose = 0
        self._on_kill: list[Callable[[], None]] = []
        self._on_terminate: list[Callable[[], None]] = []

    def throttle(self, requests: int) -> None:
        """Answer the next requests with 429 and an immediate retry."""
        self._add(requests, _answer(_SLOW_DOWN))

    def unavailable(self, requests: int) -> None:
        """Answer the next requests with 503 and an immediate retry."""
        self._add(requests, _answer(_DOWN))

    def drop(self, requests: int) -> None:
        """Close the connections of the next requests without an answer."""
        self._add(requests, None)

    def lose_answer_of_submit(self) -> None:
        """Create the run of the next submission, but close its connection without an answer."""
        with self.changed:
            self._submits_to_lose += 1

    def offline(self) -> None:
        """Close every connection without an answer, until ``online``."""
        self._offline = True

    def online(self) -> None:
        """End ``offline``."""
        self._offline = False

    def hold_pending(self) -> None:
        """Keep runs pending that have not started."""
        with self.changed:
            self.pending_is_held = True

    def let_go(self) -> None:
        """End ``hold_pending``."""
        with self.changed:
            self.pending_is_held = False
            self.changed.notify_all()

    def terminate_cluster(self) -> None:
        """End the existing cluster and its tasks for good."""
        with self.changed:
            self.cluster_terminated = True
        for call in self._on_terminate:
            call()

    def kill_tasks(self) -> None:
        """Kill the processes of running tasks, as when a driver is out of memory."""
        for call in self._on_kill:
            call()

    def delay_messages(self, seconds: float) -> None:
        """Show files that tasks write to volumes only this long after the last task ended."""
        self.message_delay = seconds

    def on_kill(self, call: Callable[[], None]) -> None:
        """Set the action of ``kill_tasks``."""
        self._on_kill.append(call)

    def on_terminate(self, call: Callable[[], None]) -> None:
        """Set the action of ``terminate_cluster``."""
        self._on_terminate.append(call)

    def of_request(self) -> Answer | None:
        """The fault for a request, returned instead of its answer.

        Raises:
            Dropped: the connection must be closed.
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
        """The fault for the answer of a submission.

        Raises:
            Dropped: the connection must be closed.
        """
        with self.changed:
            if not self._submits_to_lose:
                return
            self._submits_to_lose -= 1
        raise Dropped

    def hides(self, last_end: float | None) -> bool:
        """Whether the tasks' files are still hidden; ``last_end`` is None while a task runs."""
        if not self.message_delay:
            return False
        return last_end is None or time.monotonic() < last_end + self.message_delay

    def _add(self, requests: int, answer: Answer | None) -> None:
        with self.changed:
            self._answers.extend([answer] * requests)


def _answer(error: ApiError) -> Answer:
    return Answer(error.status, error.answer().json, headers={"Retry-After": "0"})
