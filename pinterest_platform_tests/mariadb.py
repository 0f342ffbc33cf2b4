"""MariaDB for the tests: one real server, in a folder, on 127.0.0.1."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymysql

# A server starts within a second or two; a busy machine takes longer.
START_SECONDS = 60

USER, PASSWORD, DATABASE = "poster", "sword/f@sh", "posts"

NO_MARIADB = "MySQL is tested with MariaDB: apt-get install mariadb-server-core mariadb-client-core"

# On Debian, only root's PATH has servers.
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"


def has_mariadb() -> bool:
    """Whether a server is installed."""
    # From two packages: the set-up of an empty server calls a client program.
    return all(shutil.which(name, path=_PATH) for name in ("mariadbd", "my_print_defaults"))


class MariaDb:
    """A server that can be killed and restarted with its data.

    ``USER`` has all rights in ``DATABASE``, which is empty at first.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        _run(
            "mariadb-install-db",
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            f"--datadir={folder}/data",
            *_as_user(),
        )

    @property
    def credentials(self) -> dict[str, Any]:
        """The content of a credentials file."""
        return {
            "HOST": "127.0.0.1",
            "USER": USER,
            "PASSWORD": PASSWORD,
            "DATABASE": DATABASE,
            "PORT": self.port,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The variables that name the database to the platform."""
        return {f"PINTEREST_DB_{key}": str(value) for key, value in self.credentials.items()}

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(shutil.which("mariadbd", path=_PATH)),
                    "--no-defaults",
                    f"--datadir={self._folder}/data",
                    f"--socket={self._folder}/socket",
                    f"--pid-file={self._folder}/pid",
                    "--bind-address=127.0.0.1",
                    f"--port={self.port}",
                    *_as_user(),
                    *self._options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            printed = (self._folder / "log").read_text(errors="replace")[-2000:]
            assert self._process.poll() is None, printed
            assert time.monotonic() < deadline, printed
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a statement, as root."""
        with (
            pymysql.connect(unix_socket=f"{self._folder}/socket", user="root") as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)
            return list(cursor.fetchall())

    def _answers(self) -> bool:
        try:
            self.query("SELECT 1")
        except pymysql.OperationalError:
            return False
        return True


@contextmanager
def mariadb(folder: Path, *options: str) -> Iterator[MariaDb]:
    """A running server with its files in a folder; ``options`` are mariadbd's."""
    server = MariaDb(folder, *options)
    server.start()
    try:
        server.query(f"CREATE DATABASE {DATABASE}")
        server.query(f"CREATE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
        server.query(f"GRANT ALL ON {DATABASE}.* TO '{USER}'@'127.0.0.1'")
        yield server
    finally:
        server.kill()


def _as_user() -> list[str]:
    """As root, mariadbd starts only with an explicit --user."""
    return ["--user=root"] if os.geteuid() == 0 else []


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
