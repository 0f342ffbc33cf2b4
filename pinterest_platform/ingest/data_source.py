"""What the data sources have in common: credentials that they bring to where they read."""

from collections.abc import Mapping
from typing import ClassVar, TypeVar

from pyspark.sql.datasource import DataSource

S = TypeVar("S", bound="Source")


class Source(DataSource):
    """A data source whose readers work in an environment that they bring along."""

    environment: ClassVar[Mapping[str, str]] = {}


def carrying(source: type[S], environment: Mapping[str, str]) -> type[S]:
    """The source, to be registered, with variables for the processes in which it reads.

    They travel in the pickled class: as options they would stand in plans and in Spark's UI.
    """
    if not environment:
        return source
    return type(source.__name__, (source,), {"environment": dict(environment)})
