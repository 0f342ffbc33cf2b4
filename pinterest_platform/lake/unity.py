"""The lake in Unity Catalog: managed tables, named ``<catalog>.<prefix><schema>.<table>``."""

from urllib.parse import urlsplit

from pyspark.sql import DataFrame, DataFrameWriter, SparkSession
from typing_extensions import override

from pinterest_platform.errors import PlatformError, error_for, first_line
from pinterest_platform.lake.delta import Lake
from pinterest_platform.object_store import Store
from pinterest_platform.tables.contract import Table

SCHEME = "unity"


def lake_of(spark: SparkSession, root: str) -> Lake:
    """The lake at a folder, an ``s3://`` URL, or ``unity://<catalog>/<prefix of the schemas>``."""
    return UnityLake(spark, root) if urlsplit(root).scheme == SCHEME else Lake(spark, root)


class UnityLake(Lake):
    """Delta tables managed by Unity Catalog; creates missing schemas, but not catalogs."""

    def __init__(self, spark: SparkSession, root: str) -> None:
        super().__init__(spark, root)
        parts = urlsplit(root)
        self._catalog = parts.netloc
        self._prefix = parts.path.removeprefix("/")

    @override
    def location(self, table: Table) -> str:
        return f"{self._schema(table)}.`{table.name}`"

    @override
    def files(self, table: Table) -> Store | None:
        return None

    @override
    def _has_commits(self, table: Table) -> bool:
        # Unity Catalog gives no access to a managed table's files.
        return False

    @override
    def _load(self, table: Table) -> DataFrame:
        return self._spark.table(self.location(table))

    @override
    def _save(self, writer: DataFrameWriter, table: Table) -> None:
        writer.saveAsTable(self.location(table))

    @override
    def sql_name(self, table: Table) -> str:
        return self.location(table)

    @override
    def _replace_where(self, table: Table, rows: DataFrame, condition: str) -> None:
        # Sail ignores replaceWhere for catalog tables and would replace the whole table. The SQL
        # statement works on Sail and on Databricks.
        with self._view(rows) as view:
            self._spark.sql(
                f"INSERT INTO {self.location(table)} REPLACE WHERE {condition} SELECT * FROM {view}"
            ).collect()

    @override
    def _ensure_schema(self, table: Table) -> None:
        self._spark.sql(f"CREATE SCHEMA IF NOT EXISTS {self._schema(table)}").collect()

    @override
    def _out_of_reach(self, done: str, error: Exception) -> PlatformError:
        return error_for(str(error))(
            f"the catalog {self._catalog} cannot be {done} ({first_line(error)}): set "
            "PINTEREST_DATABRICKS_CATALOG, and grant USE CATALOG and CREATE SCHEMA on it"
        )

    def _schema(self, table: Table) -> str:
        return f"`{self._catalog}`.`{self._prefix}{table.schema}`"
