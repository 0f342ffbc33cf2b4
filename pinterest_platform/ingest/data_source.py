"""The base of the data sources, which carries credentials to the reading processes."""

from collections.abc import Mapping
from typing import ClassVar, TypeVar

from pyspark.sql.datasource import DataSource

S = TypeVar("S", bound="Source")


class Source(DataSource):
    """A data source that brings environment variables for its readers."""

    environment: ClassVar[Mapping[str, str]] = {}


def carrying(source: type[S], environment: Mapping[str, str]) -> type[S]:
    """The source, ready to register, with environment variables for its reading processes.

    The variables are pickled with the class: options would expose them in plans and Spark's UI.
    """
    if not environment:
        return source
    return type(source.__name__, (source,), {"environment": dict(environment)})
