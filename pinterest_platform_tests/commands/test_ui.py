"""``pinterest ui``, with one Sail server that all runs share."""

import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import requests
from deltalake import DeltaTable

from pinterest_platform_tests.commands.test_live import free_port
from pinterest_platform_tests.landing import land_posts
from pinterest_platform_tests.process import DEADLINE_SECONDS, Pinterest
from pinterest_platform_tests.process_tree import below, is_alive


def test_runs_of_the_ui_share_a_sail_server_and_no_process_is_left(tmp_path: Path) -> None:
    pinterest = Pinterest(tmp_path / "home")
    (pinterest.home / "landing").mkdir(parents=True)
    land_posts(pinterest.home / "landing", range(20), arrived_at=datetime.now(UTC))
    port = free_port()
    log = tmp_path / "ui.log"
    ui = pinterest.start("ui", "--port", str(port), "--shared-sail", output=log)
    try:
        posts = f"{pinterest.lake}/analytics/posts"
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not (DeltaTable.is_deltatable(posts) and DeltaTable(posts).count() == 20):
            assert ui.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        # The UI does not ask for an e-mail address.
        url = f"http://127.0.0.1:{port}/graphql"
        answer = requests.post(url, json={"query": "{ shouldShowNux }"}, timeout=30).json()
        assert answer == {"data": {"shouldShowNux": False}}
        family = below(ui.pid)
        assert [command for command in family.values() if " sail " in command]
        ui.send_signal(signal.SIGINT)
        ui.communicate(timeout=DEADLINE_SECONDS)
    finally:
        ui.kill()
        ui.communicate()
    printed = log.read_text()
    assert printed.endswith("All processes have ended.\n")
    assert "Runs share the Sail server at sc://127.0.0.1:" in printed
    assert not [command for pid, command in family.items() if is_alive(pid)]


def test_a_port_in_use_is_an_error_before_anything_starts(tmp_path: Path) -> None:
    pinterest = Pinterest(tmp_path / "home")
    server = pinterest.start("sail", "--port", "0")
    try:
        assert server.stdout
        port = server.stdout.readline().rpartition(":")[2].strip()
        done = pinterest("ui", "--port", port)
    finally:
        server.terminate()
        server.communicate()
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert f"port {port} of 127.0.0.1 is in use" in done.stderr
