"""A deployment without containers: the processes of compose.yaml, with its files and environment.

Differences: all services listen on free ports of 127.0.0.1; Postgres and AWS are the tests' own.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import requests

from pinterest_platform_tests.commands.test_live import free_port
from pinterest_platform_tests.deploy.files import DEPLOY, environment, services
from pinterest_platform_tests.process import BIN

# A run takes 10 s after a tick every 5 s; a busy machine takes much longer.
DEADLINE_SECONDS = 180

T = TypeVar("T")


class Deployment:
    """The running services, each in its own session, like a container.

    Args:
        folder: the folder of their logs and of Dagster's home.
        given: the variables of .env.
        own: addresses and credentials of the tests' servers.
    """

    def __init__(self, folder: Path, given: Mapping[str, str], own: Mapping[str, str]) -> None:
        self._folder = folder
        self._given = given
        self._ports = {port: str(free_port()) for port in ("3000", "4000", "8082")}
        self._own = dict(own) | {
            "DAGSTER_HOME": str(folder / "dagster"),
            "DAGSTER_CODE_SERVER_HOST": "127.0.0.1",
            "DAGSTER_CODE_SERVER_PORT": self._ports["4000"],
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "dagster").mkdir()
        for name in ("dagster.yaml", "workspace.yaml", "sink_health.py"):
            (folder / "dagster" / name).write_bytes((DEPLOY / name).read_bytes())

    @property
    def dagster_home(self) -> Path:
        """The home of Dagster."""
        return self._folder / "dagster"

    @property
    def url(self) -> str:
        """The URL of the webserver."""
        return f"http://127.0.0.1:{self._ports['3000']}"

    @property
    def gateway(self) -> str:
        """The URL of the gateway."""
        return f"http://127.0.0.1:{self._ports['8082']}"

    def start(self, service: str) -> None:
        """Start the command of a service with the environment of its container."""
        with self._log(service).open("ab") as log:
            self._processes[service] = subprocess.Popen(
                self._here(services()[service]["command"]),
                env=self._environment(service),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, service: str) -> None:
        """Kill a service and its children with SIGKILL, as ``docker kill`` does."""
        process = self._processes.pop(service)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def end(self, service: str) -> None:
        """Stop a service as ``docker stop`` does; it must exit in time, with code 0."""
        process = self._processes.pop(service)
        process.terminate()
        patience = int(services()[service]["stop_grace_period"].removesuffix("s"))
        assert process.wait(timeout=patience) == 0

    def stop(self) -> None:
        """End all services."""
        for service in list(self._processes):
            self.kill(service)

    def is_healthy(self, service: str) -> bool:
        """The result of its health check."""
        check = services()[service]["healthcheck"]
        assert check["test"][0] == "CMD"
        done = subprocess.run(
            self._here(check["test"][1:]),
            env=self._environment(service),
            cwd=self._folder,
            capture_output=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
        return done.returncode == 0

    def until(self, condition: Callable[[], T], what: str) -> T:
        """Wait until the condition returns a true value, and return it."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not (found := condition()):
            for service, process in self._processes.items():
                assert process.poll() is None, f"{service} ended before {what}: {self.printed()}"
            assert time.monotonic() < deadline, f"not in time: {what}\n{self.printed()}"
            time.sleep(0.2)
        return found

    def ask(self, query: str, **variables: Any) -> Any:
        """The answer to a GraphQL query."""
        answer = requests.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60
        )
        answer.raise_for_status()
        printed = answer.json()
        assert "errors" not in printed, printed["errors"]
        return printed["data"]

    def printed(self) -> str:
        """The end of each service's log."""
        logs = sorted(self._folder.glob("*.log"))
        return "\n".join(f"{log.stem}: {log.read_text(errors='replace')[-3000:]}" for log in logs)

    def logged(self, service: str) -> str:
        """A service's log since its first start."""
        return self._log(service).read_text(errors="replace")

    def _log(self, service: str) -> Path:
        return self._folder / f"{service}.log"

    def _environment(self, service: str) -> dict[str, str]:
        system = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        container = {"PYTHONUNBUFFERED": "1", "PATH": f"{BIN}:{system['PATH']}"}
        return system | container | environment(service, self._given) | self._own

    def _here(self, command: list[str]) -> list[str]:
        """The command, with the ports and folders of this machine."""
        changed = []
        for word in command:
            for port, free in self._ports.items():
                word = word.replace(f":{port}/", f":{free}/")  # noqa: PLW2901
            word = word.replace("/opt/dagster", str(self._folder / "dagster"))  # noqa: PLW2901
            changed.append({"0.0.0.0": "127.0.0.1"}.get(word, self._ports.get(word, word)))
        return changed


@contextmanager
def deployment(
    folder: Path, given: Mapping[str, str], own: Mapping[str, str]
) -> Iterator[Deployment]:
    """A deployment whose services end with the block."""
    running = Deployment(folder, given, own)
    try:
        yield running
    finally:
        running.stop()
