"""The engines that work in a session of this process, and the one thing that an engine does."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from typing import Self

from pyspark.sql import SparkSession

from pinterest_platform.build.request import Outcome, Places, Request
from pinterest_platform.build.tables import build
from pinterest_platform.engines.connect import connect_session, is_on_this_machine
from pinterest_platform.engines.sail import sail_session
from pinterest_platform.engines.spark import spark_session
from pinterest_platform.errors import PlatformError
from pinterest_platform.folders import is_folder, is_plain
from pinterest_platform.places import places_of
from pinterest_platform.settings import Settings


def engine_of(settings: Settings) -> "Engine":
    """The engine that the settings ask for, when it works in a session of this process.

    Raises:
        PlatformError: it does not.
    """
    remote = settings.spark_remote.get_secret_value()
    return Engine(settings.engine, places_of(settings), remote)


class Engine:
    """Builds tables in one Spark session, from the first request to the end of the block.

    ``remote`` is the Spark Connect server of the engine ``connect``.

    >>> with Engine("sail", places) as engine:
    ...     for outcome in engine.build(request): ...

    Raises:
        PlatformError: the engine has no session here; or, when it is needed, no session can be had.
    """

    def __init__(self, name: str, places: Places, remote: str = "") -> None:
        if name == "databricks":
            raise PlatformError(
                "the tables of the engine databricks are in Unity Catalog, which only Databricks "
                "reads: name the days of a run (--day, --from, --to), and query in its SQL editor"
            )
        if name == "connect" and not remote:
            raise PlatformError(
                "the engine connect needs a server: set PINTEREST_SPARK_REMOTE to sc://host:port"
            )
        if name == "connect" and not is_on_this_machine(remote):
            for place in (places.lake, places.landing):
                if is_folder(place) and not is_plain(place):
                    raise PlatformError(
                        f"the folder {place} cannot be handed to a server on another machine: "
                        "give it a name of letters, digits and _ . - = + @ , only"
                    )
        if name == "connect" and is_on_this_machine(remote):
            # A server that runs share was started before anybody knew what a run is let in by; one
            # on another machine has its own role, and gets nobody's keys.
            aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
            places = replace(places, environment=aws)
        self.places = places
        self.name = name
        self._remote = remote
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

    def _open(self) -> AbstractContextManager[SparkSession]:
        match self.name:
            case "spark":
                # Landing objects are read by Python data sources, which bring their own client.
                return spark_session(on_s3=self.places.lake.startswith("s3://"))
            case "connect":
                return connect_session(self._remote, self.places.lake)
            case _:
                return sail_session()
