"""Errors of wrong input: one line that names the remedy, and an exit code."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pinterest_platform_tests.landing import land, land_posts
from pinterest_platform_tests.process import Pinterest

NOW = datetime.now(UTC)
TODAY = NOW.date()
SQL = "SELECT * FROM raw.pin"
NOBODY = "http://127.0.0.1:9"
AWS = {"AWS_ENDPOINT_URL": NOBODY, "AWS_ACCESS_KEY_ID": "KEYID", "AWS_SECRET_ACCESS_KEY": "SECRET"}


@pytest.fixture
def pinterest(tmp_path: Path) -> Pinterest:
    home = tmp_path / "home"
    land_posts(home / "landing", range(3), arrived_at=datetime.now(UTC))
    return Pinterest(home)


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "printed"),
    [
        (["run"], {"PINTEREST_ENGINE": "abacus"}, 1, "PINTEREST_ENGINE cannot be used"),
        (["run"], {"PINTEREST_START_DATE": "soon"}, 1, "PINTEREST_START_DATE cannot be used"),
        (["run"], {"PINTEREST_POST_YEARS": "then"}, 1, "PINTEREST_POST_YEARS cannot be used"),
        (["run"], {"PINTEREST_LANDING": "/nowhere/at/all"}, 1, "set PINTEREST_LANDING"),
        (["run"], {"PINTEREST_LANDING": "ftp://host/x"}, 1, "'ftp://' is not a location"),
        (["run"], {"PINTEREST_LANDING": "s3://gone", **AWS}, 1, "check PINTEREST_LANDING"),
        (["run"], {"PINTEREST_LAKE": "/dev/null/lake"}, 1, "set PINTEREST_LAKE"),
        (["run"], {"PINTEREST_LAKE": "s3://gone", **AWS}, 1, "set PINTEREST_LAKE"),
        (["run"], {"DAGSTER_HOME": "/dev/null/home"}, 1, "set DAGSTER_HOME"),
        (["run", "--day", "2020-01-01"], {}, 1, "set PINTEREST_START_DATE"),
        # Two days ahead: midnight may pass before this test runs.
        (["run", "--day", str(TODAY + timedelta(days=2))], {}, 1, "has not begun"),
        (["run", "--day", "yesterday"], {}, 2, "does not match the format"),
        (["run", "--from", "2026-02-01"], {}, 2, "--from and --to need each other"),
        (["run", "--from", "2026-02-02", "--to", "2026-02-01"], {}, 2, "--from is after --to"),
        (["run", "--day", str(TODAY), "--select", "raw/pni"], {}, 1, "dg list defs"),
        (["run", "--day", str(TODAY), "--select", "((("], {}, 1, "cannot be read"),
        (["query"], {}, 2, "Missing argument"),
        (["query", "SELECT 1", "--format", "xml"], {}, 2, "is not one of"),
        (["query", "SELEC 1"], {}, 1, "the SQL cannot be run"),
        (["query", "DROP TABLE raw.pin"], {}, 1, "only one query is run"),
        (["query", "EXPLAIN ANALYZE DELETE FROM raw.pin"], {}, 1, "only one query is run"),
        (["query", "WITH x AS (SELECT 1) INSERT INTO raw.pin SELECT 1"], {}, 1, "only one query"),
        (["query", "SELECT 1; DROP TABLE raw.pin"], {}, 1, "only one query is run"),
        (["run"], {"PINTEREST_POST_YEARS": "2022-2018"}, 1, "the first year is after the last"),
        (["query", "SELECT 1 FROM"], {}, 1, "the SQL cannot be run"),
        (["query", "SELECT * FROM raw.pni"], {}, 1, "there is no table raw.pni"),
        (["query", "SELECT * FROM text.`/etc/passwd`"], {}, 1, "there is no table text."),
        (["query", "SELECT reflect('java.lang.System', 'getenv')"], {}, 1, "function reflect"),
        (["query", "SELECT * FROM raw.pin"], {}, 1, "there is no raw.pin"),
        (["query", SQL], {"PINTEREST_LAKE": "s3://gone", **AWS}, 1, "set PINTEREST_LAKE"),
        (["query", SQL], {"PINTEREST_LAKE": "/dev/null/lake"}, 1, "set PINTEREST_LAKE"),
        (["emulate", "batch", "--posts", "1"], {}, 1, "pinterest seed-db"),
        (["nonsense"], {}, 2, "No such command"),
    ],
)
def test_an_error_is_one_line_with_a_remedy(
    pinterest: Pinterest, arguments: list[str], settings: dict[str, str], code: int, printed: str
) -> None:
    ended = pinterest(*arguments, **settings)
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert printed in ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    errors = [line for line in ended.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, ended.stderr
    assert "SECRET" not in ended.stdout + ended.stderr
    assert "KEYID" not in ended.stdout + ended.stderr


def test_a_broken_object_fails_the_run_with_its_key(pinterest: Pinterest) -> None:
    path = land(pinterest.home / "landing", "pinterest.pin", 3, [{}], arrived_at=NOW)
    path.rename(path.with_name("pinterest.pin+0+0000000003.json.gz"))
    ended = pinterest("run", "--day", str(TODAY))
    assert ended.returncode == 1
    assert "pinterest.pin+0+0000000003.json.gz' does not follow" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_lines_of_the_next_object_fail_the_run_in_one_line(pinterest: Pinterest) -> None:
    """The engine finds them during its work; users see the platform's error, not the engine's."""
    land(pinterest.home / "landing", "pinterest.pin", 3, [{}, {}, {}], arrived_at=NOW)
    land(pinterest.home / "landing", "pinterest.pin", 4, [{}], arrived_at=NOW)
    ended = pinterest("run", "--day", str(TODAY))
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "pinterest.pin+0+0000000003.json' has 3 lines" in line


def test_an_arrival_before_the_first_partition_fails_the_run(pinterest: Pinterest) -> None:
    early = datetime(2025, 12, 31, tzinfo=UTC)
    land(pinterest.home / "landing", "pinterest.geo", 3, [{}], arrived_at=early)
    for arguments in ([], ["--day", str(TODAY)]):
        ended = pinterest("run", *arguments)
        assert ended.returncode == 1
        assert "set PINTEREST_START_DATE to 2025-12-31 or earlier" in ended.stderr


@pytest.mark.parametrize(
    ("settings", "printed"),
    [
        ({"PINTEREST_ENGINE": "connect"}, "set PINTEREST_SPARK_REMOTE"),
        (
            {
                "PINTEREST_ENGINE": "connect",
                "PINTEREST_SPARK_REMOTE": "sc://127.0.0.1:9/;token=geheim",
            },
            "the Spark Connect server at 127.0.0.1:9 cannot be used",
        ),
        ({"PINTEREST_ENGINE": "spark", "JAVA_HOME": "/nowhere"}, "needs Java 17 or newer"),
        (
            {"PINTEREST_ENGINE": "databricks"},
            "the engine databricks cannot read landing objects in a folder",
        ),
    ],
)
@pytest.mark.parametrize("command", [("run", "--day", str(TODAY)), ("query", "SELECT 1")])
def test_an_unavailable_engine_is_one_line(
    tmp_path: Path, settings: dict[str, str], printed: str, command: tuple[str, ...]
) -> None:
    done = Pinterest(tmp_path / "home", **settings)(*command)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert printed in done.stderr
    assert "geheim" not in done.stdout + done.stderr
