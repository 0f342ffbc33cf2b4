"""The deployment at work: the processes of compose.yaml over a real Postgres and a real S3 API."""

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from dagster import AssetKey
from deltalake import DeltaTable

from pinterest_platform import local_aws
from pinterest_platform.tables.catalog import TABLES
from pinterest_platform_tests.deploy.deployment import Deployment, deployment
from pinterest_platform_tests.landing import land_posts
from pinterest_platform_tests.local_aws import client
from pinterest_platform_tests.postgres import NO_POSTGRES, Postgres, has_postgres, postgres

pytestmark = pytest.mark.skipif(not has_postgres(), reason=NO_POSTGRES)

BUCKET = "dagster-logs"
POSTS = 20

# A day on which POSTS arrive, one day more than the limit of concurrent runs, and others.
FIRST, *QUEUED, AWAY, WAITING, LAST = [date(2026, 3, 1) + timedelta(days=past) for past in range(9)]

LAUNCH = """
mutation ($run: ExecutionParams!) {
  launchRun(executionParams: $run) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}"""

RUNS = "{ runsOrError { ... on Runs { results { runId status tags { key value } } } } }"

# A page from each of the three storages: runs, events, and ticks.
PAGES = """
query ($run: ID!) {
  runsOrError { ... on Runs { results { runId } } }
  runOrError(runId: $run) { ... on Run { stats { ... on RunStatsSnapshot { stepsSucceeded } } } }
  sensorsOrError(repositorySelector: {
    repositoryLocationName: "pinterest_platform", repositoryName: "__repository__"
  }) { ... on Sensors { results { name sensorState { ticks(limit: 1) { status } } } } }
}"""

SAID = "query ($key: [String!]!) { capturedLogs(logKey: $key) { stderr } }"


@dataclass
class Place:
    """A deployment, its variables, and its stored data."""

    running: Deployment
    postgres: Postgres
    s3: Any
    home: Path

    def launch(self, day: date, assets: Sequence[str] = ()) -> str:
        """Launch the day's run, of all assets or of some ("raw/pin"), as the UI does."""
        selector: dict[str, Any] = {
            "repositoryLocationName": "pinterest_platform",
            "repositoryName": "__repository__",
            "jobName": "arrivals_to_analytics",
        }
        if assets:
            selector["assetSelection"] = [{"path": asset.split("/")} for asset in assets]
            selector["assetCheckSelection"] = []
        tags = [{"key": "dagster/partition", "value": str(day)}]
        run = {"selector": selector, "runConfigData": {}, "executionMetadata": {"tags": tags}}
        launched = self.running.ask(LAUNCH, run=run)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id: str = launched["run"]["runId"]
        return run_id

    def runs(self) -> dict[str, tuple[str, dict[str, str]]]:
        """Status and tags of all runs, as the UI shows them."""
        found = self.running.ask(RUNS)["runsOrError"]["results"]
        return {
            run["runId"]: (run["status"], {tag["key"]: tag["value"] for tag in run["tags"]})
            for run in found
        }

    def statuses(self, run_ids: Sequence[str]) -> list[str]:
        """The status of each of some runs."""
        runs = self.runs()
        return [runs[run_id][0] for run_id in run_ids]

    @contextmanager
    def busy(self, step: str) -> Iterator[None]:
        """Hold the lock of a step's tables, so that no run of the step ends in the block."""
        with (self.running.dagster_home / "storage" / f"{step}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def has(self, status: str, *run_ids: str) -> Callable[[], bool]:
        """Whether all of the runs have this status."""
        return lambda: set(self.statuses(run_ids)) == {status}

    def retried(self, run_id: str) -> Callable[[], bool]:
        """Whether another attempt at the run succeeded."""
        return lambda: any(
            status == "SUCCESS" and tags.get("dagster/parent_run_id") == run_id
            for status, tags in self.runs().values()
        )

    def events(self, run_id: str, like: str) -> int:
        """The number of a run's events that match an SQL pattern."""
        ((found,),) = self.postgres.query(
            f"SELECT count(*) FROM event_logs WHERE run_id = '{run_id}' AND event LIKE '{like}'"
        )
        return int(found)

    def materialized(self, asset: str, day: date) -> int:
        """How often a day of an asset was materialised."""
        key = AssetKey(asset.split("/")).to_string()
        ((times,),) = self.postgres.query(
            f"SELECT count(*) FROM event_logs WHERE asset_key = '{key}' "
            f"AND dagster_event_type = 'ASSET_MATERIALIZATION' AND partition = '{day}'"
        )
        return int(times)

    def raw_pins(self, day: date) -> int:
        """The rows of raw.pin of a day."""
        table = DeltaTable(str(self.home / "lake" / "raw" / "pin"))
        return int(table.to_pyarrow_table(filters=[("day", "=", day)]).num_rows)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """All services of Dagster, started on an empty database as Compose starts them."""
    folder = tmp_path_factory.mktemp("deployment")
    home = folder / "home"
    (home / "landing").mkdir(parents=True)
    noon = datetime(FIRST.year, FIRST.month, FIRST.day, 12, tzinfo=UTC)
    land_posts(home / "landing", range(POSTS), arrived_at=noon)
    with postgres() as server, local_aws.running() as aws:
        s3 = client("s3", aws.endpoint)
        s3.create_bucket(Bucket=BUCKET)
        given = server.environment | aws.environment | {"DAGSTER_COMPUTE_LOG_BUCKET": BUCKET}
        own = {"PINTEREST_HOME": str(home), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
        with deployment(folder, given, own) as running:
            running.start("code-server")
            running.until(lambda: running.is_healthy("code-server"), "a code server")
            running.start("webserver")
            running.until(lambda: running.is_healthy("webserver"), "a webserver")
            yield Place(running, server, s3, home)


@pytest.fixture(scope="module")
def first(place: Place) -> str:
    """A run of the first day, launched before there is a daemon, and its end."""
    run = place.launch(FIRST)
    assert place.statuses([run]) == ["QUEUED"]
    place.running.start("daemon")
    place.running.until(place.has("SUCCESS", run), "the run of the first day")
    return run


def test_a_run_launched_in_the_ui_materialises_the_day(place: Place, first: str) -> None:
    assert place.statuses([first]) == ["SUCCESS"]
    assert place.raw_pins(FIRST) == POSTS


def test_runs_events_and_check_results_are_in_postgres(place: Place, first: str) -> None:
    query = place.postgres.query
    assert query(f"SELECT status FROM runs WHERE run_id = '{first}'") == [("SUCCESS",)]
    (events,) = query(
        "SELECT count(DISTINCT asset_key) FROM event_logs "
        f"WHERE run_id = '{first}' AND dagster_event_type = 'ASSET_MATERIALIZATION'"
    )
    assert events == (len(TABLES),)
    (checks,) = query(
        "SELECT count(*) FROM asset_check_executions "
        f"WHERE run_id = '{first}' AND execution_status = 'SUCCEEDED'"
    )
    assert checks[0] > len(TABLES)


def test_the_output_of_a_step_is_in_s3_and_in_the_ui(place: Place, first: str) -> None:
    prefix = f"compute-logs/storage/{first}/compute_logs/"
    listed = place.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    names = [Path(found["Key"]).name for found in listed]
    printed = [name.removesuffix(".err") for name in names if name.endswith(".err")]
    assert printed, names
    displayed = place.running.ask(SAID, key=[first, "compute_logs", printed[0]])["capturedLogs"]
    assert "STEP_SUCCESS" in displayed["stderr"]


@pytest.mark.usefixtures("first")
def test_health_checks_pass(place: Place) -> None:
    for service in ("code-server", "webserver", "daemon"):
        assert place.running.is_healthy(service), service


@pytest.mark.usefixtures("first")
def test_the_ui_does_not_ask_for_an_e_mail_address(place: Place) -> None:
    assert place.running.ask("{ shouldShowNux }") == {"shouldShowNux": False}


@pytest.mark.usefixtures("first")
def test_a_daemon_killed_with_runs_in_its_queue_loses_none_and_starts_none_twice(
    place: Place,
) -> None:
    runs = [place.launch(day, ["raw/pin"]) for day in QUEUED]

    def is_at_work() -> bool:
        statuses = place.statuses(runs)
        return "STARTED" in statuses and "QUEUED" in statuses

    place.running.until(is_at_work, "a run at work and one in the queue")
    place.running.kill("daemon")
    place.running.start("daemon")
    place.running.until(place.has("SUCCESS", *runs), "all runs of the queue")
    assert {day: place.materialized("raw/pin", day) for day in QUEUED} == dict.fromkeys(QUEUED, 1)


def test_after_a_kill_of_postgres_the_webserver_serves_all_previous_data(
    place: Place, first: str
) -> None:
    before = set(place.runs())
    place.postgres.kill()
    with pytest.raises((AssertionError, requests.RequestException)):
        place.runs()
    place.postgres.start()

    def recovered() -> bool:
        # The webserver keeps a connection to each storage, and detects a dead one only by using it.
        with suppress(AssertionError, requests.RequestException):
            pages = place.running.ask(PAGES, run=first)
            assert pages["runOrError"]["stats"]["stepsSucceeded"] > 0
            assert any(s["sensorState"]["ticks"] for s in pages["sensorsOrError"]["results"])
            return before <= {run["runId"] for run in pages["runsOrError"]["results"]}
        return False

    place.running.until(recovered, "an answer with all runs")


@pytest.mark.usefixtures("first")
def test_a_run_with_a_replaced_code_server_is_retried(place: Place) -> None:
    with place.busy("raw_batch"):
        run = place.launch(LAST, ["raw/pin"])
        place.running.until(place.has("STARTED", run), "a run at work")
        place.running.kill("code-server")
    place.running.start("code-server")
    place.running.until(place.retried(run), "a second attempt and its end")
    assert place.statuses([run]) == ["FAILURE"]
    assert place.materialized("raw/pin", LAST) == 1


@pytest.mark.usefixtures("first")
def test_runs_survive_a_longer_absence_of_the_code_server(place: Place) -> None:
    """A running one is retried, a queued one waits; Dagster gives up neither."""
    with place.busy("raw_batch"):
        at_work = place.launch(AWAY, ["raw/pin"])
        place.running.until(place.has("STARTED", at_work), "a run at work")
        place.running.kill("daemon")
        # Of another pool: a run of the same would not be launched before the other has ended.
        waiting = place.launch(WAITING, ["raw/pin_stream"])
        place.running.kill("code-server")
    place.running.start("daemon")

    def noticed() -> bool:
        printed = place.events(waiting, "%failed to reach the user code server%")
        # Two ticks, so that the daemon has acted on the first.
        return printed > 0 and place.running.logged("daemon").count(f"Checking run {at_work}") > 1

    place.running.until(noticed, "a daemon that found no code server")
    # During each attempt to launch it, the queued run is STARTING.
    place.running.until(
        lambda: place.statuses([at_work, waiting]) == ["STARTED", "QUEUED"],
        "a run at work and one in the queue",
    )
    place.running.start("code-server")
    place.running.until(place.has("SUCCESS", waiting), "the end of the run in the queue")
    place.running.until(place.retried(at_work), "a second attempt and its end")
    assert place.statuses([at_work]) == ["FAILURE"]
    assert place.materialized("raw/pin", AWAY) == 1
    assert place.materialized("raw/pin_stream", WAITING) == 1
