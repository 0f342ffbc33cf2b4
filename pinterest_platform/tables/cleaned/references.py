"""The promise that a post's geolocation and user come with its pin."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.tables.contract import Check, Rows


def has_pin(table: str) -> Check:
    """A warning when more than one row in a hundred has no pin; its pin may still be on its way."""

    def with_pin(rows: Rows) -> DataFrame:
        pins = rows("cleaned.pins", all_days=True).select("ind").distinct()
        return rows(table).join(pins.withColumn("pin", F.lit(True)), "ind", "left")

    return Check(
        "has_pin",
        "The post of the row is in cleaned.pins, on whatever day.",
        "warn",
        with_pin,
        "pin IS NULL",
        max_share=0.01,
    )
