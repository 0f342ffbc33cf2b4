"""Dagster's SQLite storage, with connections that stay open.

Dagster's own opens a database anew for each of the 400 events of a run, and SQLite writes to the
disk each time a database is closed. A run of five posts takes 9 s with this storage and 14 s with
Dagster's.

Dagster lets one configure a storage, but exports none of the classes to extend: hence the imports
of private modules, and the upper bound of dagster in pyproject.toml. Without them, by SQLAlchemy's
events, a database can only be kept open beside Dagster's own connections, which saves one second.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from threading import Lock
from typing import Any, Self

from dagster import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from sqlalchemy import Connection, Engine, create_engine, event
from typing_extensions import override

# Each run has its own database of events. A process uses few at a time: a webserver those of the
# runs that people look at.
MOST_DATABASES = 16

# How long a writer waits for another to finish.
BUSY_SECONDS = 60


class _Databases:
    """SQLAlchemy engines of SQLite databases; the most recently used ones stay open."""

    def __init__(self) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._lock = Lock()

    def engine(self, url: str) -> Engine:
        """The engine of a database, which may close another database."""
        with self._lock:
            if url not in self._engines:
                self._engines[url] = _engine(url)
            self._engines.move_to_end(url)
            if len(self._engines) > MOST_DATABASES:
                _, unused = self._engines.popitem(last=False)
                unused.dispose()
            return self._engines[url]

    @contextmanager
    def transaction(self, url: str) -> Iterator[Connection]:
        """A transaction, committed when the block ends without an error."""
        with self.engine(url).begin() as connection:
            yield connection

    def close_one(self, url: str) -> None:
        """Close a database; its next use opens it again."""
        with self._lock:
            if (engine := self._engines.pop(url, None)) is not None:
                engine.dispose()

    def close(self) -> None:
        """Close all databases; their next use opens them again."""
        with self._lock:
            while self._engines:
                self._engines.popitem()[1].dispose()


def _engine(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, max_overflow=-1)

    @event.listens_for(engine, "connect")
    def _(connection: SqliteConnection, _: object) -> None:
        # A killed process loses nothing. A power cut may undo the last events, which the tables do
        # not need.
        connection.execute("PRAGMA synchronous = NORMAL")

    return engine


class _OneDatabase:
    """What the storages of runs and schedules share: each has a single database."""

    def __init__(self, conn_string: str, inst_data: Any = None) -> None:
        super().__init__(conn_string, inst_data)  # type: ignore[call-arg]
        self._url = conn_string
        self._databases = _Databases()

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with self._databases.transaction(self._url) as connection:
            yield connection

    def dispose(self) -> None:
        self._databases.close()


class _Runs(_OneDatabase, SqliteRunStorage):
    pass


class _Schedules(_OneDatabase, SqliteScheduleStorage):
    pass


class _Events(SqliteEventLogStorage):
    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._databases = _Databases()
        super().__init__(base_dir, inst_data)

    @contextmanager
    @override
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            url = self.conn_string_for_shard(shard)
            if not Path(self.path_for_shard(shard)).exists():
                # Another process has deleted the run.
                self._databases.close_one(url)
                self._initialized_dbs.discard(shard)
            if shard not in self._initialized_dbs:
                self._initdb(self._databases.engine(url))
                self._initialized_dbs.add(shard)
            with self._databases.transaction(url) as connection:
                yield connection

    @override
    def store_event(self, event: EventLogEntry) -> None:
        super().store_event(event)
        # The page of a run loads new events when this file changes, but SQLite writes them to the
        # log beside it. Another process may have deleted the run, and the file with it.
        with suppress(FileNotFoundError):
            os.utime(self.path_for_shard(event.run_id))

    @override
    def delete_events(self, run_id: str) -> None:
        super().delete_events(run_id)
        # Dagster would keep an empty database for each deleted run.
        self._databases.close_one(self.conn_string_for_shard(run_id))
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path_for_shard(run_id)}{suffix}").unlink(missing_ok=True)
        self._initialized_dbs.discard(run_id)

    @override
    def wipe(self) -> None:
        self._databases.close()
        super().wipe()

    @override
    def dispose(self) -> None:
        super().dispose()
        self._databases.close()


class OpenSqliteStorage(DagsterSqliteStorage):
    """Dagster's default storage, with the same files in the same place.

    Args:
        base_dir: the folder of the instance.
        inst_data: how dagster.yaml names this class.
    """

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        # Skips the constructor of DagsterSqliteStorage, which opens its own databases.
        super(DagsterSqliteStorage, self).__init__()  # type: ignore[no-untyped-call]
        self.base_dir = base_dir
        self._inst_data = inst_data
        self._run_storage = _Runs.from_local(f"{base_dir}/history/")
        self._event_log_storage = _Events(f"{base_dir}/history/runs/")
        self._schedule_storage = _Schedules.from_local(f"{base_dir}/schedules/")

    @classmethod
    @override
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> Self:
        return cls(config_value["base_dir"], inst_data)
