"""Every possible path works for every location, or is refused before anything is written.

``engines/conformance``, whose folder has an odd name, tests that engines write the same tables to
such a path.
"""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from pinterest_platform_tests.landing import land_posts
from pinterest_platform_tests.process import Pinterest

POSTS = 3
COUNT = "SELECT count(*) AS posts FROM analytics.posts"


def folders_with_files(parent: Path) -> set[str]:
    return {path.relative_to(parent).parts[0] for path in parent.rglob("*") if path.is_file()}


@contextmanager
def swallowing_proxy() -> Iterator[str]:
    """A proxy that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("name", ["my projects", "100%20 #é日", "a*b[c]?d", "~$x'\"`\\ &;|<>{}"])
def test_all_of_a_run_stays_in_its_home(tmp_path: Path, name: str) -> None:
    home, temporary = tmp_path / name / "home", tmp_path / f"{name} tmp"
    temporary.mkdir()
    land_posts(home / "landing", range(POSTS), arrived_at=datetime.now(UTC))
    with swallowing_proxy() as proxy:
        pinterest = Pinterest(
            home,
            TMPDIR=str(temporary),
            XDG_CACHE_HOME=str(tmp_path / "cache"),
            http_proxy=proxy,
            https_proxy=proxy,
            no_proxy="",
        )
        ran = pinterest("run")
        assert ran.returncode == 0, ran.stderr
        assert str(home / "lake") not in ran.stderr
        assert pinterest.query(COUNT) == [{"posts": POSTS}]
    assert len(list((home / "lake").rglob("*.parquet"))) >= POSTS
    assert folders_with_files(tmp_path) == {name}
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    "written", ["~/place", "file://{home}/pl%61ce", "file://localhost{home}/place"]
)
def test_usual_spellings_of_home_work(tmp_path: Path, written: str) -> None:
    pinterest = Pinterest(tmp_path / "unused", HOME=str(tmp_path))
    settings = {"PINTEREST_HOME": written.format(home=tmp_path)}
    land_posts(tmp_path / "place" / "landing", range(POSTS), arrived_at=datetime.now(UTC))
    ran = pinterest("run", "--select", "raw/pin", **settings)
    assert ran.returncode == 0, ran.stderr
    assert folders_with_files(tmp_path) == {"place"}


@pytest.mark.parametrize("variable", ["PINTEREST_HOME", "PINTEREST_LAKE", "DAGSTER_HOME"])
@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ("a\nb", "control character '\\n'"),
        ("a\udcffb", "not UTF-8"),
        ("file://elsewhere/a", "file:///folder"),
        ("file:///a?b", "file:///folder"),
        ("file:/a", "file:///"),
        ("s3:/a", "s3://"),
        ("~nobody-has-this-name/a", "no known home folder"),
    ],
)
def test_an_unusable_path_is_refused_before_anything_is_written(
    tmp_path: Path, variable: str, value: str, printed: str
) -> None:
    ended = Pinterest(tmp_path / "home")("run", **{variable: value})
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert variable in line
    assert printed in line
    assert list(tmp_path.iterdir()) == []


def test_a_lake_misplaced_by_an_earlier_version_is_detected_and_moved_back(
    tmp_path: Path,
) -> None:
    home = tmp_path / "my projects"
    pinterest = Pinterest(home, XDG_CACHE_HOME=str(tmp_path / "cache"))
    land_posts(home / "landing", range(POSTS), arrived_at=datetime.now(UTC))
    assert pinterest("run").returncode == 0
    for path in (home / "lake").rglob("*"):
        once = quote(str(path))
        wrong = Path(once if "_delta_log" in path.parts else quote(once))
        if path.is_file():
            wrong.parent.mkdir(parents=True, exist_ok=True)
            path.rename(wrong)
    shutil.rmtree(home / "lake")
    noticed = pinterest("query", COUNT)
    assert noticed.returncode == 1
    assert "earlier version" in noticed.stderr
    heal = noticed.stderr.partition("(")[2].rpartition(")")[0]
    subprocess.run(["sh", "-c", heal], check=True)
    assert pinterest.query(COUNT) == [{"posts": POSTS}]
