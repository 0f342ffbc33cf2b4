"""Outages in the log: one line when something becomes unavailable, one when it is back."""

import logging
import time


class Outage:
    """Whether one thing is unavailable, logged when that changes and not at every attempt.

    Args:
        logger: of the module that uses the thing.
        name: the thing, as the subject of a log line.
    """

    def __init__(self, logger: logging.Logger, name: str) -> None:
        self._logger = logger
        self._name = name
        self._began: float | None = None

    @property
    def is_on(self) -> bool:
        """Whether the thing is unavailable."""
        return self._began is not None

    def begin(self, reason: str) -> None:
        """Note a failed attempt; the first one is logged."""
        if self._began is None:
            self._began = time.monotonic()
            self._logger.warning("%s is unavailable: %s", self._name, reason)

    def end(self) -> None:
        """Note a successful attempt; the first one after an outage is logged."""
        if self._began is not None:
            seconds = time.monotonic() - self._began
            self._began = None
            self._logger.info("%s is available again after %.1f s", self._name, seconds)
