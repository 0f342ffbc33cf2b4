"""The base of the data sources: what they read, and credentials for the reading processes."""

from collections.abc import Mapping
from typing import ClassVar, TypeVar

from pyspark.sql.datasource import DataSource
from typing_extensions import override

from pinterest_platform.ingest.rows import DDL

S = TypeVar("S", bound="Source")


class Source(DataSource):
    """A data source of raw records that brings environment variables for its readers."""

    format_name: ClassVar[str]
    environment: ClassVar[Mapping[str, str]] = {}

    @classmethod
    @override
    def name(cls) -> str:
        return cls.format_name

    @override
    def schema(self) -> str:
        return DDL


def carrying(source: type[S], environment: Mapping[str, str]) -> type[S]:
    """The source, ready to register, with environment variables for its reading processes.

    The variables are pickled with the class: options would expose them in plans and Spark's UI.
    """
    if not environment:
        return source
    return type(source.__name__, (source,), {"environment": dict(environment)})
