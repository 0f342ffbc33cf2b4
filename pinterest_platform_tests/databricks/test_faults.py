"""The faults of the local workspace, as clients of a real one see them."""

import io
import os
import time
from collections.abc import Callable

import pytest
import requests

from pinterest_platform_tests.databricks.conftest import (
    VOLUME,
    Site,
    message_of,
    present,
    result_of,
)
from pinterest_platform_tests.process_tree import below, is_alive

# The delay of a late file; reading it takes milliseconds.
LATE_SECONDS = 1.0
DEADLINE_SECONDS = 120

SUBMIT = ("POST", "/api/2.2/jobs/runs/submit")


def status(site: Site) -> int:
    """The status of an answer."""
    authorization = {"Authorization": f"Bearer {site.workspace.token}"}
    url = f"{site.workspace.host}/api/2.1/unity-catalog/catalogs/main"
    return requests.get(url, headers=authorization, timeout=DEADLINE_SECONDS).status_code


def task_processes(site: Site) -> list[int]:
    commands = below(os.getpid())
    mine = str(site.workspace.volumes.parent)
    return [pid for pid, text in commands.items() if "run_task.py" in text and mine in text]


def test_the_requested_number_of_requests_is_throttled_refused_or_dropped(site: Site) -> None:
    site.workspace.faults.throttle(2)
    site.workspace.faults.unavailable(1)
    site.workspace.faults.drop(1)

    assert [status(site) for _ in range(3)] == [429, 429, 503]
    with pytest.raises(requests.ConnectionError):
        status(site)
    assert status(site) == 200


@pytest.mark.parametrize("fault", ["throttle", "unavailable", "drop"])
def test_the_real_client_retries(site: Site, fault: str) -> None:
    getattr(site.workspace.faults, fault)(1)
    before = len(site.workspace.requests)

    assert site.client.catalogs.get("main").name == "main"
    assert len(site.workspace.requests) == before + 2


def test_offline_lasts_until_online(site: Site) -> None:
    site.workspace.faults.offline()
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            status(site)
    site.workspace.faults.online()

    assert status(site) == 200


def test_a_submission_with_a_lost_answer_has_created_its_run(site: Site) -> None:
    before = len(site.workspace.submitted)
    site.workspace.faults.lose_answer_of_submit()

    submissions_before = site.workspace.requests.count(SUBMIT)

    # The client asks again.
    run, _ = site.ended(site.submit("tell", token="lost"))

    assert result_of(run) == "SUCCESS"
    assert site.workspace.requests.count(SUBMIT) == submissions_before + 2
    assert len(site.workspace.submitted) == before + 1


def test_a_held_run_is_pending_until_it_is_released(site: Site) -> None:
    site.run("tell")
    site.workspace.faults.hold_pending()
    run_id = site.submit("tell")

    # The cluster is running, and would start the task within a tenth of this time.
    pending_until = time.monotonic() + LATE_SECONDS
    while time.monotonic() < pending_until:
        assert state_of(site, run_id) == "PENDING"
    site.workspace.faults.let_go()
    assert result_of(site.ended(run_id)[0]) == "SUCCESS"


def test_a_pending_run_can_be_cancelled(site: Site) -> None:
    site.workspace.faults.hold_pending()
    run_id = site.submit("tell")

    site.client.jobs.cancel_run(run_id)
    run, _ = site.ended(run_id)
    site.workspace.faults.let_go()

    assert result_of(run) == "CANCELED"
    assert not task_processes(site)


def test_a_cancelled_run_ends_its_process(site: Site) -> None:
    run_id = site.submit("wait")
    site.workspace.wait_for(run_id, "RUNNING")
    (pid,) = task_processes(site)

    site.client.jobs.cancel_run(run_id)
    run, _ = site.ended(run_id)

    assert result_of(run) == "CANCELED"
    assert not is_alive(pid)


def test_a_killed_task_has_failed(site: Site) -> None:
    run_id = site.submit("wait")
    site.workspace.wait_for(run_id, "RUNNING")

    site.workspace.faults.kill_tasks()
    run, output = site.ended(run_id)

    assert result_of(run) == "FAILED"
    assert "137 (SIGKILL)" in present(output.error)


def test_a_terminated_cluster_ends_its_runs_and_accepts_no_more(own_site: Site) -> None:
    running = own_site.submit("wait")
    own_site.workspace.wait_for(running, "RUNNING")

    own_site.workspace.faults.terminate_cluster()
    lost, _ = own_site.ended(running, "INTERNAL_ERROR")
    refused, _ = own_site.ended(own_site.submit("tell"), "INTERNAL_ERROR")

    assert "was terminated during the run" in message_of(lost)
    assert "unexpected state Terminated" in message_of(refused)
    assert result_of(lost) == result_of(refused) == "FAILED"
    assert own_site.cluster_state() == "TERMINATED"
    assert "[7]" in own_site.run("make_table", "7", serverless=True)


def test_files_of_a_task_appear_late(site: Site) -> None:
    folder = f"{VOLUME}/late"
    site.client.files.upload(f"{folder}/uploaded", io.BytesIO(b""))
    site.workspace.faults.delay_messages(LATE_SECONDS)

    site.run("write", f"{folder}/written", "at last")
    assert names_in(site, folder) == ["uploaded"]
    until(lambda: "written" in names_in(site, folder))
    site.workspace.faults.delay_messages(0)

    assert site.download(f"{folder}/written") == b"at last"


def names_in(site: Site, folder: str) -> list[str]:
    return [str(entry.name) for entry in site.client.files.list_directory_contents(folder)]


def state_of(site: Site, run_id: int) -> str:
    return str(present(present(site.client.jobs.get_run(run_id).state).life_cycle_state).value)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "not in time"
