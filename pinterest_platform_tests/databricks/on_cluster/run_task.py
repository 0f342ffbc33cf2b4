"""A task: ``run_task.py ORDER``, where ORDER is a file with JSON.

``package_name`` and ``entry_point``, or ``python_file``; ``parameters``; ``managed``, where schemas
are; ``failure``, the file for the error and its traceback. It ends with its standard input.
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
    """Give a schema that a statement makes its place, as Unity Catalog does.

    Sail takes the place from the statement only, and takes any catalog.
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
    """Ask Sail for answers as gRPC reads them every time, as the engines on this machine do."""
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
    """End when standard input does."""

    def wait() -> None:
        # Not through sys.stdin, whose lock the interpreter wants when it ends.
        os.read(0, 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main(order: dict[str, Any]) -> None:
    """Run the task; an error is written down and raised."""
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
