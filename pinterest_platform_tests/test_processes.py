"""Child processes: their output and their end."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pinterest_platform import environment, processes
from pinterest_platform.errors import PlatformError
from pinterest_platform_tests.process_tree import is_alive

# Not longer than STOP_SECONDS: a child that ignored SIGTERM would be killed after it.
DEADLINE_SECONDS = 30

# From Linux's prctl.h.
PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 15, 36

# A child whose own child runs before it prints the process id.
FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; print('there', flush=True); \
time.sleep(600)"], stdout=subprocess.PIPE, text=True)
child.stdout.readline()
print("child", child.pid, "listening on http://127.0.0.1:1", flush=True)
{then}
"""
WAIT = "time.sleep(600)"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Write a module for a child to run, and return its name."""

    def write(program: str) -> str:
        (tmp_path / "someone.py").write_text(program)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return "someone"

    return write


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "not in time"


def test_a_child_and_its_children_end_with_the_block(module: Callable[[str], str]) -> None:
    with processes.running("someone", module(FAMILY.format(then=WAIT))) as process:
        assert process.url() == "http://127.0.0.1:1"
        grandchild = int(process.output().split()[1])
        assert process.exit_code() is None
        assert is_alive(grandchild)
    assert process.exit_code() is not None
    assert not is_alive(grandchild)


def test_a_child_that_ignores_the_signal_is_killed(
    module: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.2)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    with processes.running("someone", module(deaf + FAMILY.format(then=WAIT))) as process:
        process.url()
    assert process.exit_code() == -signal.SIGKILL


def test_the_child_of_a_killed_parent_ends_with_its_children(
    module: Callable[[str], str],
) -> None:
    name = module(FAMILY.format(then=WAIT))
    program = (
        "import time; from pinterest_platform import environment, processes\n"
        f"with processes.running('someone', '{name}') as process:\n"
        "    process.url(); print(process.pid, process.output(), flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        words = parent.stdout.readline().split()
        child, grandchild = int(words[0]), int(words[2])
        assert is_alive(child)
        assert is_alive(grandchild)
        parent.kill()
    wait_until(lambda: not is_alive(child) and not is_alive(grandchild))


def test_a_process_that_nobody_reaped_does_not_run() -> None:
    # With half of a character in its name.
    program = f"import ctypes; ctypes.CDLL(None).prctl({PR_SET_NAME}, b'\\xc3'); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as child:
        assert child.stdin
        wait_until(lambda: Path(f"/proc/{child.pid}/comm").read_bytes() == b"\xc3\n")
        assert processes.is_running(child.pid)
        child.stdin.write(b"\n")
        child.stdin.close()
        # Not reaped before wait() or poll().
        wait_until(lambda: not processes.is_running(child.pid))
        os.kill(child.pid, 0)
    assert not processes.is_running(child.pid)


def test_the_block_ends_although_nobody_reaps_a_child_of_the_child(
    module: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STOP_SECONDS", 10 * DEADLINE_SECONDS)
    # This process adopts the orphan and does not reap it, like the first one of some containers.
    libc = ctypes.CDLL(None)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1) == 0
    started = time.monotonic()
    try:
        with processes.running("someone", module(FAMILY.format(then=WAIT))) as process:
            process.url()
            grandchild = int(process.output().split()[1])
        assert time.monotonic() - started < DEADLINE_SECONDS
        os.waitpid(grandchild, 0)
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0)


def test_a_child_that_ends_before_it_listens_is_an_error_with_its_last_line(
    module: Callable[[str], str],
) -> None:
    name = module("import sys; print('one'); sys.exit('Error: the disk is full')")
    with processes.running("someone", name) as process:
        with pytest.raises(PlatformError) as error:
            process.url()
        assert process.last_words() == "one\nError: the disk is full"
    assert str(error.value) == "someone did not start: the disk is full"


def test_the_output_of_a_child_is_in_its_log(module: Callable[[str], str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    with processes.running("someone", module(FAMILY.format(then="")), log=log) as process:
        wait_until(lambda: process.exit_code() == 0)
    assert log.read_text().endswith("listening on http://127.0.0.1:1\n")


def test_the_environment_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    before = dict(os.environ)
    with environment.replaced({"ONLY": "this"}):
        assert dict(os.environ) == {"ONLY": "this"}
    assert dict(os.environ) == before
