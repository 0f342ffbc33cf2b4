"""The engines with a session in this process; an engine does one thing: build tables."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Self

from pyspark.sql import SparkSession

from pinterest_platform.build.outcomes import Outcome
from pinterest_platform.build.request import Request
from pinterest_platform.build.tables import build
from pinterest_platform.engines.java import require_java
from pinterest_platform.engines.registry import EngineType, engine_type, places_of
from pinterest_platform.engines.session import is_on_this_machine
from pinterest_platform.errors import ConfigurationError
from pinterest_platform.folders import temporary_folder
from pinterest_platform.lake.spool import SPOOL
from pinterest_platform.places import Places
from pinterest_platform.settings import Settings


def engine_of(settings: Settings) -> "Engine":
    """The engine of the settings, which must work in a session of this process.

    Raises:
        PlatformError: the engine has no such session.
    """
    remote = settings.spark_remote.get_secret_value()
    return Engine(settings.engine, places_of(settings), remote)


class Engine:
    """Builds tables in one Spark session, from the first request to the end of the block.

    ``remote`` is the Spark Connect server of the engine ``connect``.

    >>> with Engine("sail", places) as engine:
    ...     for outcome in engine.build(request): ...

    Raises:
        PlatformError: the engine is unknown or has no session in this process; on first use, the
            session cannot be opened.
    """

    def __init__(self, name: str, places: Places, remote: str = "") -> None:
        self.type = engine_type(name)
        if self.type.open is None:
            raise ConfigurationError(
                f"the tables of the engine {name} are in Unity Catalog, which only Databricks "
                "reads: name the days of a run (--day, --from, --to), and query in its SQL editor"
            )
        self.places = self.type.prepare(places, remote)
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
            self._session = self._stack.enter_context(opened(self.type, self.places, self._remote))
        return self._session

    def build(self, request: Request) -> Iterator[Outcome]:
        """Build tables and run checks; see ``build.tables.build``."""
        return build(self.session, self.places, request)


@contextmanager
def opened(engine: EngineType, places: Places, remote: str = "") -> Iterator[SparkSession]:
    """Open an engine's session and a spool for it; both are closed after the block."""
    assert engine.open is not None, engine.name  # noqa: S101 - Engine refuses the others
    if engine.needs_java:
        require_java(engine.name)
    with engine.open(places, remote) as spark, ExitStack() as stack:
        near = not remote or is_on_this_machine(remote)
        spool = temporary_folder() if near else nullcontext(f"{places.lake}/_spool")
        spark.conf.set(SPOOL, stack.enter_context(spool))
        yield spark
