"""Output is plain text: in any encoding, without terminal control and spreadsheet formulas."""

import csv
import io
import json
import os
import pty
import select
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from local_servers.dagster_home import instance_at
from pinterest_platform_tests.landing import land, pin
from pinterest_platform_tests.process import BIN, Pinterest

NOW = datetime.now(UTC)

# Scripts, an emoji, terminal control (7 and 8 bit, and text direction), Rich, Markdown, HTML.
TITLE = (
    "日本 Ж é 🙂 \x1b[31mred\x07 \x9b31m \u202eturned [bold]rich[/bold] [/] "
    "![image](http://127.0.0.1:9/a.png) | <script>alert(1)</script> `code`"
)
SQL = "SELECT title, category FROM cleaned.pins"

# Settings of terminals that cannot encode every character.
POOR = [
    {"PYTHONIOENCODING": "latin-1"},
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "PYTHONUTF8": "0"},
    {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
]


@pytest.fixture(scope="module")
def pinterest(tmp_path_factory: pytest.TempPathFactory) -> Pinterest:
    """A hostile post, in a home whose name is Rich markup."""
    home = tmp_path_factory.mktemp("output") / "[red]home"
    records = [pin(1, title=TITLE, category="=1+1")]
    land(home / "landing", "pinterest.pin", 0, records, arrived_at=NOW)
    created = Pinterest(home)
    assert created("run").returncode == 0
    return created


def raw(
    pinterest: Pinterest, *arguments: str, **settings: str
) -> "subprocess.CompletedProcess[bytes]":
    """A command and the bytes that it printed."""
    return subprocess.run(
        [str(BIN / "pinterest"), *arguments],
        env=pinterest.environment | settings,
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("form", ["table", "csv", "json"])
@pytest.mark.parametrize("poor", POOR)
def test_characters_that_the_output_cannot_encode_are_replaced(
    pinterest: Pinterest, poor: dict[str, str], form: str
) -> None:
    done = raw(pinterest, "query", SQL, "--format", form, **poor)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    encoding = poor.get("PYTHONIOENCODING")
    assert encoding or "日本" in done.stdout.decode()


@pytest.mark.parametrize("poor", POOR)
def test_errors_and_runs_are_printed_in_every_encoding(
    pinterest: Pinterest, poor: dict[str, str]
) -> None:
    refused = raw(pinterest, "query", "SELECT * FROM `日本`", **poor)
    assert refused.returncode == 1
    assert b"Traceback" not in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_a_closed_pipe_ends_the_command_silently(pinterest: Pinterest, form: str) -> None:
    many = "SELECT value FROM raw.pin LATERAL VIEW explode(sequence(1, 20000)) AS n"
    with subprocess.Popen(
        [str(BIN / "pinterest"), "query", many, "--format", form],
        env=pinterest.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.parametrize("command", [["query", SQL], ["--help"], ["--version"], ["run", "--help"]])
def test_a_full_disk_for_the_output_is_one_line(pinterest: Pinterest, command: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [str(BIN / "pinterest"), *command],
            env=pinterest.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert "the output cannot be written (No space left on device)" in line


def on_a_terminal(pinterest: Pinterest, *arguments: str) -> bytes:
    """The output of a command in a terminal."""
    terminal, child = pty.openpty()
    printed = b""
    with subprocess.Popen(
        [str(BIN / "pinterest"), *arguments],
        # Wide enough, and without the platform's own colours.
        env=pinterest.environment | {"COLUMNS": "400", "NO_COLOR": "1", "TERM": "dumb"},
        stdout=child,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(child)
        while process.poll() is None or select.select([terminal], [], [], 0)[0]:
            try:
                printed += os.read(terminal, 65536)
            except OSError:  # Linux's error for a closed other end
                break
    os.close(terminal)
    return printed


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_a_post_cannot_control_the_terminal(pinterest: Pinterest, form: str) -> None:
    printed = on_a_terminal(pinterest, "query", SQL, "--format", form).decode()
    assert "[bold]rich[/bold] [/]" in printed
    assert "![image](http://127.0.0.1:9/a.png)" in printed
    assert not set(printed) & set("\x1b\x07\x9b\u202e")
    assert "x1b" in printed or "u001b" in printed


def test_json_leaves_text_unchanged(pinterest: Pinterest) -> None:
    done = raw(pinterest, "query", SQL, "--format", "json")
    assert json.loads(done.stdout) == [{"title": TITLE, "category": "=1+1"}]


def test_csv_contains_no_spreadsheet_formula(pinterest: Pinterest) -> None:
    texts = ["=1+1", "+1", "-1", "@x", "\tx", "＝1", "a=1", "", "'x"]
    listed = ", ".join(f"('{text}', -1)".replace("''x", "'\\'x") for text in texts)
    sql = f"SELECT * FROM VALUES {listed} AS t(`=text`, number)"
    done = raw(pinterest, "query", sql, "--format", "csv")
    rows = list(csv.reader(io.StringIO(done.stdout.decode())))
    assert rows == [
        ["'=text", "number"],
        *([f"'{text}", "-1"] for text in texts[:6]),
        *([text, "-1"] for text in texts[6:]),
    ]


def test_dagster_gets_posts_as_text_not_markdown(pinterest: Pinterest) -> None:
    """The UI loads images in Markdown, but displays table cells as plain text."""
    with instance_at(pinterest.home / "dagster") as instance:
        for table in ("raw/pin", "cleaned/pins", "analytics/posts", "cleaned/quarantine"):
            event = instance.get_latest_materialization_event(dg.AssetKey(table.split("/")))
            assert event is not None
            assert event.asset_materialization is not None
            values = event.asset_materialization.metadata.values()
            assert not any(isinstance(value, dg.MarkdownMetadataValue) for value in values)
        (run,) = instance.get_runs()
        for entry in instance.all_logs(run.run_id):
            described = entry.user_message + (
                entry.dagster_event.message or "" if entry.dagster_event else ""
            )
            assert "a.png" not in described


def test_a_home_with_brackets_in_its_name_is_printed_whole(pinterest: Pinterest) -> None:
    refused = pinterest("query", "SELECT * FROM raw.geo_stream", PINTEREST_LAKE="[red]lake")
    assert "[red]lake" in refused.stderr
