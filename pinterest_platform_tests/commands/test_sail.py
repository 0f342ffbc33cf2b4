"""``pinterest sail``: a server that outlives the runs that share it."""

import re
import signal
from pathlib import Path

import pytest

from pinterest_platform_tests.process import DEADLINE_SECONDS, Pinterest

URL = re.compile(r"sc://127\.0\.0\.1:\d+")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_runs_share_a_server_until_it_is_ended(tmp_path: Path, ending: signal.Signals) -> None:
    pinterest = Pinterest(tmp_path / "home")
    server = pinterest.start("sail", "--port", "0")
    try:
        assert server.stdout
        remote = URL.findall(server.stdout.readline())[0]
        sharing = Pinterest(
            tmp_path / "home", PINTEREST_ENGINE="connect", PINTEREST_SPARK_REMOTE=remote
        )
        for _ in range(2):
            assert sharing.query("SELECT 1 + 1 AS two") == [{"two": 2}]
        taken = pinterest("sail", "--port", remote.rpartition(":")[2])
        assert (taken.returncode, taken.stderr.count("\n")) == (1, 1)
        assert "--port" in taken.stderr
    finally:
        server.send_signal(ending)
        server.communicate(timeout=DEADLINE_SECONDS)
    assert server.returncode == 0
    gone = sharing("query", "SELECT 1")
    assert (gone.returncode, gone.stderr.count("\n")) == (1, 1)
    assert "PINTEREST_SPARK_REMOTE" in gone.stderr
