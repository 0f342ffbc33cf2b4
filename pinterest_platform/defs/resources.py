"""The engine as a Dagster resource: what runs the steps, chosen by PINTEREST_ENGINE."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Self

import dagster as dg
from pydantic import PrivateAttr
from typing_extensions import override

from pinterest_platform.engines.engine import Engine, places_of
from pinterest_platform.engines.request import Outcome, Places, Request
from pinterest_platform.settings import Settings


class EngineResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Builds tables where and with what the settings say; one engine session serves a whole run."""

    name: str
    lake: str
    landing: str
    topics: dict[str, str]
    start_date: str
    parameters: dict[str, list[int]]
    streams: dict[str, str]
    region: str
    # Where the engine connect finds its server. It may hold a token, so that what Dagster shows is
    # the name of the environment variable.
    remote: str

    _engine: Engine = PrivateAttr()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The engine that the settings ask for."""
        places = places_of(settings)
        return cls(
            name=settings.engine,
            lake=places.lake,
            landing=places.landing,
            topics=places.topics,
            start_date=places.start_date.isoformat(),
            parameters={name: list(value) for name, value in places.parameters.items()},
            streams=places.streams,
            region=places.region,
            remote=dg.EnvVar("PINTEREST_SPARK_REMOTE") if settings.spark_remote else "",
        )

    @override
    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Self]:
        places = Places(
            self.lake,
            self.landing,
            self.topics,
            date.fromisoformat(self.start_date),
            self.parameters,
            self.streams,
            self.region,
        )
        with Engine(self.name, places, self.remote) as engine:
            self._engine = engine
            yield self

    def build(self, request: Request) -> Iterator[Outcome]:
        """Make tables and run checks; see ``engines.build``."""
        return self._engine.build(request)
