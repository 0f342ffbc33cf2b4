"""An engine in its own process: PySpark supports one kind of session per process."""

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, Concatenate, ParamSpec, TypeVar

from pyspark.sql import SparkSession

from pinterest_platform.engines.engine import Engine
from pinterest_platform.places import Places

# Apache Spark builds all tables in two minutes; a busy machine may take much longer.
DEADLINE_SECONDS = 600

# A session closes within seconds.
CLOSE_SECONDS = 30

P = ParamSpec("P")
T = TypeVar("T")


class EngineProcess:
    """Calls functions of a module with the session of an engine in another process."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(
        self,
        function: Callable[Concatenate[SparkSession, P], T],
        *arguments: P.args,
        **named: P.kwargs,
    ) -> T:
        """The function's result there; its error fails the test, with the traceback."""
        self._connection.send((function, arguments, named))
        assert self._connection.poll(DEADLINE_SECONDS), f"{function.__name__} does not end"
        answer, error = self._connection.recv()
        assert error is None, error
        given: T = answer
        return given


@contextmanager
def engine_process(
    name: str, places: Places, remote: str, environment: Mapping[str, str]
) -> Iterator[EngineProcess]:
    """The engine's process, with this process's variables and ``environment``."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_serve, args=(theirs, name, places, remote, dict(environment)), daemon=True
    )
    process.start()
    theirs.close()
    try:
        yield EngineProcess(ours)
    finally:
        ours.close()
        process.join(CLOSE_SECONDS)
        process.kill()
        process.join()


def _serve(
    connection: Connection, name: str, places: Places, remote: str, environment: dict[str, str]
) -> None:
    os.environ.update(environment)
    time.tzset()
    with Engine(name, places, remote) as engine:
        while True:
            answer: Any = None
            error: str | None = None
            try:
                function, arguments, named = connection.recv()
            except EOFError:
                return
            try:
                answer = function(engine.session, *arguments, **named)
            except Exception:
                error = traceback.format_exc()
            connection.send((answer, error))
