"""Storage faults: one line with the table or folder and a command that repairs it.

Each test damages a lake of a few posts and follows the line's advice; then the lake must have its
former rows.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pinterest_platform_tests.landing import land_posts
from pinterest_platform_tests.process import Pinterest

NOW = datetime.now(UTC)
POSTS = 5

CONTENT = {
    "raw.pin": "SELECT count(*) AS n, max(value) AS value FROM raw.pin",
    "cleaned.users": "SELECT count(*) AS n, max(user_name) AS value FROM cleaned.users",
    "analytics.posts": "SELECT count(*) AS n, max(title) AS value FROM analytics.posts",
    "analytics.users_joined_by_year": (
        "SELECT count(*) AS n, max(concat('', joining_year)) AS value "
        "FROM analytics.users_joined_by_year"
    ),
}


@dataclass
class Lake:
    """A home whose lake was built from a few posts, and the rows of its tables."""

    pinterest: Pinterest
    content: dict[str, list[dict[str, Any]]]

    def folder(self, table: str) -> Path:
        return Path(self.pinterest.lake, *table.split("."))

    def has_former_rows(self, table: str) -> bool:
        return self.pinterest.query(CONTENT[table]) == self.content[table]

    def follow_advice(self, line: str) -> None:
        """Follow a line's advice: remove the folder and run the command."""
        if removed := re.search(r"remove (\S+) and all that is in it", line):
            shutil.rmtree(removed[1])
        (command,) = re.findall(r"`pinterest ([^`]+)`", line)
        healed = self.pinterest(*command.split())
        assert healed.returncode == 0, healed.stdout + healed.stderr


@pytest.fixture(scope="module")
def created(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    home = tmp_path_factory.mktemp("made")
    land_posts(home / "landing", range(POSTS), arrived_at=NOW)
    pinterest = Pinterest(home)
    assert pinterest("run").returncode == 0
    return Lake(pinterest, {name: pinterest.query(sql) for name, sql in CONTENT.items()})


@pytest.fixture
def lake(created: Lake, tmp_path: Path) -> Lake:
    """A copy that a test may damage."""
    shutil.copytree(created.pinterest.home, tmp_path / "home")
    return Lake(Pinterest(tmp_path / "home"), created.content)


def the_line(ended: "subprocess.CompletedProcess[str]") -> str:
    """The one line that a failed command prints."""
    printed = ended.stdout + ended.stderr
    assert ended.returncode == 1, printed
    assert "Traceback" not in printed
    assert "Exception" not in printed
    (line,) = ended.stderr.splitlines()
    return line


def lose_files(folder: Path) -> None:
    for file in folder.rglob("*.parquet"):
        file.unlink()


def cut_files(folder: Path) -> None:
    for file in folder.rglob("*.parquet"):
        file.write_bytes(file.read_bytes()[:50])


def spoil_files(folder: Path) -> None:
    for file in folder.rglob("*.parquet"):
        file.write_bytes(b"x" * file.stat().st_size)


def cut_log(folder: Path) -> None:
    last = max((folder / "_delta_log").glob("*.json"))
    last.write_bytes(last.read_bytes()[:60])


def spoil_log(folder: Path) -> None:
    max((folder / "_delta_log").glob("*.json")).write_bytes(b"\xff\xfe garbage")


def replace_log_by_file(folder: Path) -> None:
    shutil.rmtree(folder / "_delta_log")
    (folder / "_delta_log").write_text("x")


def lose_first_of_log(folder: Path) -> None:
    min((folder / "_delta_log").glob("*.json")).unlink()


def lose_last_of_log(folder: Path) -> None:
    max((folder / "_delta_log").glob("*.json")).unlink()


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ("raw.pin", lose_files),
        ("raw.pin", cut_files),
        ("raw.pin", spoil_files),
        ("raw.pin", cut_log),
        ("raw.pin", spoil_log),
        ("raw.pin", lose_first_of_log),
        ("cleaned.users", lose_files),
        ("cleaned.users", cut_log),
        ("cleaned.users", replace_log_by_file),
        ("analytics.posts", lose_files),
        ("analytics.posts", cut_log),
        ("analytics.users_joined_by_year", cut_files),
    ],
)
def test_a_query_names_the_fault_and_the_remedy(
    lake: Lake, fault: Callable[[Path], None], table: str
) -> None:
    fault(lake.folder(table))
    line = the_line(lake.pinterest("query", CONTENT[table]))
    assert table in line
    assert str(lake.pinterest.lake) in line
    assert ("the log of" in line) == ("log" in fault.__name__)
    lake.follow_advice(line)
    assert lake.has_former_rows(table)


@pytest.mark.parametrize(("table", "fault"), [("raw.pin", cut_log), ("cleaned.users", lose_files)])
def test_a_run_without_days_reports_the_same(
    lake: Lake, fault: Callable[[Path], None], table: str
) -> None:
    fault(lake.folder(table))
    line = the_line(lake.pinterest("run"))
    assert table in line
    assert "`pinterest run" in line


def test_a_fault_during_a_run_fails_its_step(lake: Lake) -> None:
    cut_files(lake.folder("raw.pin"))
    ended = lake.pinterest("run", "--select", "cleaned/pins", "--day", str(NOW.date()))
    assert "the table raw.pin cannot be read" in the_line(ended)


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ("analytics.posts", lose_files),
        ("analytics.posts", lose_last_of_log),
        ("analytics.users_joined_by_year", shutil.rmtree),
        ("analytics.users_joined_by_year", cut_files),
    ],
)
def test_a_run_without_days_rebuilds_an_analytic_table_that_lost_its_rows(
    lake: Lake, fault: Callable[[Path], None], table: str
) -> None:
    fault(lake.folder(table))
    ran = lake.pinterest("run")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "up to date" not in ran.stdout
    assert lake.has_former_rows(table)
    assert "up to date" in lake.pinterest("run").stdout


@pytest.mark.parametrize(
    ("table", "fault"), [("raw.pin", lose_last_of_log), ("cleaned.users", shutil.rmtree)]
)
def test_a_run_without_days_restores_the_lost_rows_of_a_daily_table(
    lake: Lake, fault: Callable[[Path], None], table: str
) -> None:
    fault(lake.folder(table))
    assert lake.pinterest("run").returncode == 0
    assert lake.has_former_rows(table)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of a few kilobytes; mounting needs root."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def make_read_only(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


@pytest.fixture
def landed(tmp_path: Path) -> Pinterest:
    home = tmp_path / "home"
    land_posts(home / "landing", range(POSTS), arrived_at=NOW)
    return Pinterest(home)


# Too small for one file, for all tables of Dagster, and for the events of a run.
@pytest.mark.parametrize("size", ["16k", "300k", "1200k"])
def test_a_full_dagster_home_is_one_line(tmp_path: Path, landed: Pinterest, size: str) -> None:
    with small_disk(tmp_path / "disk", size):
        home = tmp_path / "disk" / "dagster"
        line = the_line(landed("run", DAGSTER_HOME=str(home)))
    assert str(home) in line
    assert "full" in line
    assert "set DAGSTER_HOME" in line
    assert landed("run").returncode == 0


def test_a_read_only_dagster_home_is_one_line(tmp_path: Path, landed: Pinterest) -> None:
    with small_disk(tmp_path / "disk", "10m"):
        home = tmp_path / "disk" / "dagster"
        assert landed("run", "--select", "raw/pin", DAGSTER_HOME=str(home)).returncode == 0
        make_read_only(tmp_path / "disk")
        line = the_line(landed("run", DAGSTER_HOME=str(home)))
    assert str(home) in line
    assert "Read-only" in line


# Too small for a log, and for all tables.
@pytest.mark.parametrize("size", ["60k", "250k"])
def test_a_full_lake_is_one_line_and_a_run_continues_once_there_is_space(
    tmp_path: Path, landed: Pinterest, size: str
) -> None:
    with small_disk(tmp_path / "disk", size):
        lake = str(tmp_path / "disk" / "lake")
        line = the_line(landed("run", PINTEREST_LAKE=lake))
        assert f"the lake {lake} is full (No space left on device)" in line
        subprocess.run(["mount", "-o", "remount,size=50m", str(tmp_path / "disk")], check=True)
        ran = landed("run", PINTEREST_LAKE=lake)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        counted = landed("query", "SELECT count(*) FROM analytics.posts", PINTEREST_LAKE=lake)
        assert f" {POSTS} " in counted.stdout


def test_concurrent_first_runs_share_a_new_dagster_home(landed: Pinterest) -> None:
    """Dagster sets up its storage without a lock, so most of these would collide."""
    started = [landed.start("run", "--select", "raw/geo") for _ in range(4)]
    for process in started:
        output, errors = process.communicate()
        assert process.returncode == 0, output + errors
        assert errors == ""


@pytest.mark.parametrize("content", [b"no database" * 1000, None])
def test_damaged_files_of_dagster_are_one_line_and_can_be_removed(
    lake: Lake, content: bytes | None
) -> None:
    home = lake.pinterest.home / "dagster"
    database = home / "history" / "runs.db"
    database.write_bytes(content or database.read_bytes()[:9000])
    line = the_line(lake.pinterest("run"))
    assert f"remove {home}" in line
    shutil.rmtree(home)
    assert lake.pinterest("run").returncode == 0
    assert lake.has_former_rows("raw.pin")


@pytest.mark.parametrize("content", [": : [", "nonsense: 1", "junk"])
def test_a_broken_dagster_yaml_is_one_line(lake: Lake, content: str) -> None:
    file = lake.pinterest.home / "dagster" / "dagster.yaml"
    file.write_text(content)
    assert str(file) in the_line(lake.pinterest("run"))
    file.unlink()
    assert lake.pinterest("run").returncode == 0
