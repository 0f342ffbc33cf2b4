"""A task: ``run_task.py ORDER``, where ORDER is a file with JSON.

Its keys: ``package_name`` and ``entry_point``, or ``python_file``; ``parameters``; ``managed``, the
folder of schemas; ``failure``, the file for the error and its traceback. The process ends when its
standard input does.
"""

import json
import os
import re
import runpy
import sys
import threading
import traceback
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame
from pyspark.sql.connect.client import ChannelBuilder
from pyspark.sql.connect.session import SparkSession

_CREATE_SCHEMA = re.compile(
    r"\s*CREATE\s+(?:SCHEMA|DATABASE)\s+(?:IF\s+NOT\s+EXISTS\s+)?(?:`?(\w+)`?\.)?`?(\w+)`?\s*",
    re.IGNORECASE,
)


def keep_schemas_below(managed: Path) -> None:
    """Give each created schema a location in a catalog, as Unity Catalog does.

    Sail needs the location in the statement, and accepts any catalog.
    """
    run = SparkSession.sql

    def sql(self: SparkSession, sqlQuery: str, *args: Any, **kwargs: Any) -> DataFrame:
        if match := _CREATE_SCHEMA.fullmatch(sqlQuery):
            catalog, schema = match[1] or "main", match[2]
            if not (managed / catalog).is_dir():
                raise AnalysisException(
                    f"[NO_SUCH_CATALOG_EXCEPTION] Catalog '{catalog}' was not found."
                )
            (managed / catalog / schema).mkdir(exist_ok=True)
            sqlQuery = f"{sqlQuery} LOCATION '{managed / catalog / schema}'"
        return run(self, sqlQuery, *args, **kwargs)

    SparkSession.sql = sql  # type: ignore[method-assign]


def keep_answers_uncompressed() -> None:
    """Request uncompressed answers from Sail, as the engines do (see ``engines.session``)."""
    ChannelBuilder.GRPC_DEFAULT_OPTIONS.append(("grpc.compression_enabled_algorithms_bitset", 1))


def run(order: dict[str, Any]) -> None:
    """Run the entry point of the wheel, or the file."""
    name = order.get("entry_point") or order["python_file"]
    sys.argv = [name, *order["parameters"]]
    if "python_file" in order:
        runpy.run_path(order["python_file"], run_name="__main__")
        return
    found = distribution(order["package_name"]).entry_points.select(name=name)
    if not found:
        raise LookupError(f"{order['package_name']} has no entry point {name}")
    next(iter(found)).load()()


def end_with_the_workspace() -> None:
    """Exit when standard input ends."""

    def wait() -> None:
        # Not sys.stdin: at exit the interpreter needs its lock.
        os.read(0, 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main(order: dict[str, Any]) -> None:
    """Run the task; write an error to the failure file, then raise it."""
    end_with_the_workspace()
    keep_answers_uncompressed()
    keep_schemas_below(Path(order["managed"]))
    try:
        run(order)
    except BaseException as error:
        if not isinstance(error, SystemExit) or error.code:
            trace = "".join(traceback.format_exception(error))
            last = traceback.format_exception_only(error)[-1].strip()
            Path(order["failure"]).write_text(json.dumps({"error": last, "error_trace": trace}))
        raise


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
