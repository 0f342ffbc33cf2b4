"""What a session must be set to, wherever it was opened."""

from contextlib import suppress

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

UTC = {"spark.sql.session.timeZone": "UTC"}

# Spark's own default is INT96, in which other readers of the lake (those of Arrow) have no year
# before 1677.
TIMESTAMPS = {"spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS"}


def configure(spark: SparkSession) -> None:
    """Set a session that somebody else's server opened."""
    for name, value in UTC.items():
        spark.conf.set(name, value)
    # Not every server lets it be set; Databricks' serverless does not.
    with suppress(PySparkException):
        for name, value in TIMESTAMPS.items():
            spark.conf.set(name, value)
