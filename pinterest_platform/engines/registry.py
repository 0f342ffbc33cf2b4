"""The engines by name, and what each can do."""

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import get_args

from pyspark.sql import SparkSession

from pinterest_platform.errors import ConfigurationError
from pinterest_platform.places import Places
from pinterest_platform.settings import EngineName, Settings

# Modules of this package, imported only when used: Databricks' clusters have no Sail.
NAMES: tuple[str, ...] = get_args(EngineName)


@dataclass(frozen=True, kw_only=True)
class EngineType:
    """An engine and its capabilities.

    Args:
        name: in PINTEREST_ENGINE.
        open: opens a session in this process, given the places and the server's URL; None if runs
            elsewhere build the tables.
        prepare: adapts the places for sessions; rejects places or a server that the engine does
            not support.
        lake: the location of the lake in the settings, in the engine's form.
        local_landing: whether the engine reads landing objects in a folder of this machine.
        needs_java: whether a Java runtime must be installed.
    """

    name: str
    open: Callable[[Places, str], AbstractContextManager[SparkSession]] | None
    prepare: Callable[[Places, str], Places] = lambda places, _: places
    lake: Callable[[Settings], str] = lambda settings: settings.lake
    local_landing: bool = True
    needs_java: bool = False


def engine_type(name: str) -> EngineType:
    """The engine with this name.

    Raises:
        PlatformError: the name is unknown.
    """
    if name not in NAMES:
        raise ConfigurationError(
            f"PINTEREST_ENGINE cannot be used: '{name}' is not an engine; set it to one of "
            f"{', '.join(NAMES)}"
        )
    found: EngineType = importlib.import_module(f"{__package__}.{name}").ENGINE
    return found


def places_of(settings: Settings) -> Places:
    """The places of the settings, in the form that their engine uses.

    Raises:
        PlatformError: the engine does not support them.
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
