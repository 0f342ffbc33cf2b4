"""Postgres for the tests: one real server, in a folder, on 127.0.0.1."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2

# A server starts within a second, a killed one replays its log first; a busy machine takes longer.
START_SECONDS = 60

# Characters that are special in URLs and shells.
USER, PASSWORD, DATABASE = "dagster", "sword/f@sh: 100%", "dagster"

NO_POSTGRES = "Dagster's instance is tested with Postgres: apt-get install postgresql"

# Postgres refuses to run as root.
_OTHER_USER = "postgres"


def has_postgres() -> bool:
    """Whether a server is installed."""
    return bool(_found())


class Postgres:
    """A server that can be killed and restarted with its data.

    ``USER`` logs in with a password and has all rights in ``DATABASE``, which is empty at first.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._user = _OTHER_USER if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(folder, self._user)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self._run(
            "initdb",
            f"--pgdata={folder}/data",
            f"--username={USER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        )

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which ``deploy/dagster.yaml`` finds it."""
        return {
            "POSTGRES_HOST": "127.0.0.1",
            "POSTGRES_PORT": str(self.port),
            "POSTGRES_USER": USER,
            "POSTGRES_PASSWORD": PASSWORD,
            "POSTGRES_DB": DATABASE,
        }

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self._folder / "log").open("ab") as printed:
            self._process = subprocess.Popen(
                [
                    str(_programs() / "postgres"),
                    "-D",
                    f"{self._folder}/data",
                    "-p",
                    str(self.port),
                    "-c",
                    "listen_addresses=127.0.0.1",
                    "-c",
                    f"unix_socket_directories={self._folder}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                cwd=self._folder,
                user=self._user,
                group=self._user,
                extra_groups=[] if self._user else None,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            words = (self._folder / "log").read_text(errors="replace")[-2000:]
            assert self._process.poll() is None, words
            assert time.monotonic() < deadline, words
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill it with SIGKILL; its child processes end by themselves."""
        assert self._process
        self._process.kill()
        self._process.wait()
        # Until then, a restarted server refuses their shared memory.
        deadline = time.monotonic() + START_SECONDS
        while self._sessions():
            assert time.monotonic() < deadline, "a session outlives its server"
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it in order, with its sessions: killed processes leave their shared memory."""
        assert self._process
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=START_SECONDS)

    def query(self, sql: str, database: str = DATABASE) -> list[tuple[Any, ...]]:
        """The rows of a statement, which is its own transaction."""
        connection = psycopg2.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=database
        )
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def _answers(self) -> bool:
        try:
            self.query("SELECT 1", "postgres")
        except psycopg2.OperationalError:
            return False
        return True

    def _sessions(self) -> bool:
        """Whether a process still uses the data folder."""
        data = f"{self._folder}/data"
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if str((process / "cwd").readlink()) == data:
                    return True
            except OSError:
                continue
        return False

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(_programs() / program), *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self._folder,
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A running server with a temporary folder.

    The folder is not one of pytest's, which the server's user cannot access.
    """
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = Postgres(Path(folder))
        server.start()
        try:
            server.query(f"CREATE DATABASE {DATABASE}", "postgres")
            yield server
        finally:
            server.stop()


def _programs() -> Path:
    """The folder of the newest server's programs."""
    return max(_found(), key=lambda program: int(program.parts[-3])).parent


def _found() -> list[Path]:
    return list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
