"""Folders with odd names, and temporary folders of dead processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pinterest_platform.errors import PlatformError
from pinterest_platform.folders import plain_path, temporary_folder

ODD = ["my projects", "100%20", "a#b", "a*b", "[a]", "a?b", "é", "日本", "~x", "a'b", 'a"b', "a\\b"]


@pytest.fixture(autouse=True)
def _links(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", ODD)
def test_an_odd_name_gets_a_plain_link_to_the_same_folder(tmp_path: Path, name: str) -> None:
    odd = tmp_path / name
    odd.mkdir()
    plain = Path(plain_path(str(odd)))
    assert plain.samefile(odd)
    assert plain_path(str(plain)) == str(plain)
    assert plain_path(str(odd)) == str(plain)


def test_a_plain_name_needs_no_link(tmp_path: Path) -> None:
    assert plain_path(str(tmp_path)) == str(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_another_folder_is_corrected(tmp_path: Path) -> None:
    link = Path(plain_path(str(tmp_path / "a b")))
    link.unlink()
    link.symlink_to(tmp_path / "elsewhere")
    assert Path(plain_path(str(tmp_path / "a b"))).readlink() == tmp_path / "a b"


def test_two_folders_have_two_links(tmp_path: Path) -> None:
    assert plain_path(str(tmp_path / "a b")) != plain_path(str(tmp_path / "a%20b"))


def test_without_a_folder_for_links_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pinterest_platform.folders.FALLBACKS", ())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c d"))
    with pytest.raises(PlatformError, match="XDG_CACHE_HOME"):
        plain_path(str(tmp_path / "a b"))


def left_by_a_killed_process(parent: Path) -> Path:
    """A temporary folder whose process ended without a chance to remove it."""
    script = (
        "import os, sys\n"
        "from pinterest_platform.folders import temporary_folder\n"
        "with temporary_folder(sys.argv[1]) as folder:\n"
        "    open(folder + '/rows', 'w').close()\n"
        "    print(folder, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(parent)], capture_output=True, text=True, check=False
    )
    folder = Path(done.stdout.strip())
    assert (folder / "rows").exists()
    return folder


def test_the_next_start_removes_folders_of_killed_processes(tmp_path: Path) -> None:
    left = left_by_a_killed_process(tmp_path)
    with temporary_folder(str(tmp_path)) as folder:
        assert not left.exists()
        assert [path.name for path in tmp_path.iterdir()] == [Path(folder).name]
    assert list(tmp_path.iterdir()) == []


def test_folders_possibly_in_use_stay(tmp_path: Path) -> None:
    left = left_by_a_killed_process(tmp_path)
    elsewhere = left.with_name(f"pinterest-elsewhere-{os.getpid()}-abc")
    left.rename(elsewhere)
    somebodys = tmp_path / "pinterest-notes-of-mine"
    somebodys.mkdir()
    with temporary_folder(str(tmp_path)) as mine, temporary_folder(str(tmp_path)):
        assert Path(mine).exists()
    assert {path.name for path in tmp_path.iterdir()} == {elsewhere.name, somebodys.name}


def test_folders_of_another_machine_are_removed_after_days(tmp_path: Path) -> None:
    left = tmp_path / "pinterest-elsewhere-1-abc"
    left.mkdir()
    os.utime(left, (0, 0))
    with temporary_folder(str(tmp_path)):
        assert not left.exists()
