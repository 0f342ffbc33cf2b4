"""The engines by name, and what each can do."""

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pyspark.sql import SparkSession

from pinterest_platform.errors import ConfigurationError
from pinterest_platform.places import Places
from pinterest_platform.settings import Settings

# Each is a module, or a package, of this package with an ``ENGINE``. Modules are imported by need:
# Databricks' clusters have no Sail.
NAMES = ("sail", "spark", "connect", "databricks")


@dataclass(frozen=True, kw_only=True)
class EngineType:
    """An engine and its capabilities.

    Args:
        name: in PINTEREST_ENGINE.
        open: opens a session in this process, for the places and the server's URL; None where
            tables are built by runs elsewhere.
        prepare: the places as sessions get them; it refuses places or a server that the engine
            cannot work with.
        lake: the lake of the settings, as the engine reaches it.
        local_landing: whether the engine reads landing objects in a folder of this machine.
        needs_java: whether a Java runtime must be installed.
        needs_spool: whether an open session reads the source of a MERGE more than once, so that
            new rows must be spooled first.
    """

    name: str
    open: Callable[[Places, str], AbstractContextManager[SparkSession]] | None
    prepare: Callable[[Places, str], Places] = lambda places, _: places
    lake: Callable[[Settings], str] = lambda settings: settings.lake
    local_landing: bool = True
    needs_java: bool = False
    needs_spool: Callable[[SparkSession], bool] = lambda _: False


def engine_type(name: str) -> EngineType:
    """The engine of that name.

    Raises:
        PlatformError: there is none.
    """
    if name not in NAMES:
        raise ConfigurationError(
            f"PINTEREST_ENGINE cannot be used: '{name}' is no engine; set it to one of "
            f"{', '.join(NAMES)}"
        )
    found: EngineType = importlib.import_module(f"{__package__}.{name}").ENGINE
    return found


def places_of(settings: Settings) -> Places:
    """The places of the settings, as their engine reaches them.

    Raises:
        PlatformError: the engine cannot reach them.
    """
    engine = engine_type(settings.engine)
    landing = settings.landing
    if not engine.local_landing and not landing.startswith(("s3://", "/Volumes/")):
        raise ConfigurationError(
            f"the engine {engine.name} cannot read landing objects in a folder of this machine: "
            "set PINTEREST_LANDING to s3://bucket/... or /Volumes/..."
        )
    return Places(
        lake=engine.lake(settings),
        landing=landing,
        topics=settings.topics,
        streams=settings.streams,
        start_date=settings.start_date,
        parameters={"post_years": settings.post_years, "joining_years": settings.joining_years},
        region=settings.aws_region,
    )
