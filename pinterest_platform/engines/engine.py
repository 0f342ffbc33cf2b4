"""The engines there are, and the one thing that an engine does: build tables."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Self

from pyspark.sql import SparkSession

from pinterest_platform.engines.build import build
from pinterest_platform.engines.request import Outcome, Places, Request
from pinterest_platform.engines.sail import sail_session
from pinterest_platform.settings import Settings

SESSIONS: dict[str, Callable[[], AbstractContextManager[SparkSession]]] = {"sail": sail_session}


def places_of(settings: Settings) -> Places:
    """The places and limits that the settings name."""
    return Places(
        settings.lake,
        settings.landing,
        settings.topics,
        settings.start_date,
        {"post_years": settings.post_years, "joining_years": settings.joining_years},
        settings.streams,
        settings.aws_region,
    )


class Engine:
    """Builds tables in one Spark session, from the first request to the end of the block.

    >>> with Engine("sail", places) as engine:
    ...     for outcome in engine.build(request): ...
    """

    def __init__(self, name: str, places: Places) -> None:
        self.places = places
        self._open = SESSIONS[name]
        self._stack = ExitStack()
        self._session: SparkSession | None = None

    def __enter__(self) -> Self:
        self._stack.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._session = None
        self._stack.close()

    @property
    def session(self) -> SparkSession:
        """The engine's Spark session."""
        if self._session is None:
            self._session = self._stack.enter_context(self._open())
        return self._session

    def build(self, request: Request) -> Iterator[Outcome]:
        """Make tables and run checks; see ``build.build``."""
        return build(self.session, self.places, request)
