"""The task that runs on Databricks: it builds tables with the cluster's own Spark session.

Dagster sends the request and receives the outcomes through Pipes. A schedule of Databricks
(``infra/databricks``) passes the request on the command line, and the task prints the outcomes.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from dagster_pipes import (
    PipesCliArgsParamsLoader,
    PipesParamsLoader,
    PipesUnityCatalogVolumesContextLoader,
    PipesUnityCatalogVolumesMessageWriter,
    open_dagster_pipes,
)
from pyspark.sql import SparkSession

from pinterest_platform.build.outcomes import Checked, Outcome, summary, to_json
from pinterest_platform.build.request import Request
from pinterest_platform.build.tables import build
from pinterest_platform.engines.databricks.messages import END, ERROR, OUTAGE, Access, task_of
from pinterest_platform.engines.databricks.task_credentials import access_of, environment_of
from pinterest_platform.engines.registry import places_of
from pinterest_platform.engines.session import configure
from pinterest_platform.environment import set_variables
from pinterest_platform.errors import OutageError, PlatformError
from pinterest_platform.places import Places
from pinterest_platform.settings import load
from pinterest_platform.tables.catalog import TABLES


def _setting(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (name and separator):
        raise argparse.ArgumentTypeError("a setting has the form VARIABLE=VALUE")
    return name, value


PARSER = argparse.ArgumentParser(
    "pinterest-task",
    description="Build all tables, for the days from --from to --to or for yesterday and today.",
)
PARSER.add_argument("--from", dest="first", type=date.fromisoformat)
PARSER.add_argument("--to", dest="last", type=date.fromisoformat)
PARSER.add_argument("--full", action="store_true", help="rebuild the days")
PARSER.add_argument("settings", nargs="*", metavar="VARIABLE=VALUE", type=_setting)


def main() -> None:
    """Serve Dagster's request or, without Dagster, that of the command line."""
    # dagster-pipes does not annotate this constructor.
    parameters: PipesParamsLoader = PipesCliArgsParamsLoader()  # type: ignore[no-untyped-call]
    if parameters.is_dagster_pipes_process():
        _for_dagster(parameters)
    else:
        _by_itself(sys.argv[1:])


def _for_dagster(parameters: PipesParamsLoader) -> None:
    with open_dagster_pipes(
        context_loader=PipesUnityCatalogVolumesContextLoader(),
        # Write every second: with the default of ten, users would wait for each table.
        message_writer=PipesUnityCatalogVolumesMessageWriter(interval=0),
        params_loader=parameters,
    ) as pipes:
        try:
            for outcome in _built(*task_of(pipes.extras)):
                pipes.report_custom_message(to_json(outcome))
        except PlatformError as error:
            outage = isinstance(error, OutageError)
            pipes.report_custom_message({ERROR: str(error), OUTAGE: outage})
            raise
        pipes.report_custom_message({END: True})


def _by_itself(arguments: list[str]) -> None:
    options = PARSER.parse_args(arguments)
    # The default engine would write the tables to the driver's disk.
    engine = {"PINTEREST_ENGINE": "databricks"}
    # Empty settings keep their defaults or the runtime's values.
    set_variables(engine | {name: value for name, value in options.settings if value})
    settings = load()
    today = datetime.now(UTC).date()
    first = options.first or max(today - timedelta(days=1), settings.start_date)
    last = options.last or options.first or today
    days = tuple(first + timedelta(days=past) for past in range((last - first).days + 1))
    checks = tuple((name, check.name) for name, table in TABLES.items() for check in table.checks)
    failed = False
    for outcome in _built(
        Request(tables=tuple(TABLES), checks=checks, days=days, full=options.full),
        places_of(settings),
        access_of(settings),
    ):
        print(summary(outcome), flush=True)
        failed |= isinstance(outcome, Checked) and outcome.is_error
    if failed:
        raise SystemExit("a check of severity error failed: see its outcome above")


def _built(request: Request, places: Places, access: Access) -> Iterator[Outcome]:
    spark = SparkSession.builder.getOrCreate()
    configure(spark)
    # For the driver; the places carry the region to the reading processes.
    environment = environment_of(access) | ({"AWS_REGION": places.region} if places.region else {})
    set_variables(environment)
    return build(spark, replace(places, environment=environment), request)
