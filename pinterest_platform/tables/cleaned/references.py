"""The check that a post's geolocation and user come with a pin."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.tables.contract import Check, Rows


def has_pin(table: str) -> Check:
    """A warning if more than 1 % of the rows have no pin; the pin may still arrive."""

    def with_pin(rows: Rows) -> DataFrame:
        pins = rows("cleaned.pins", all_days=True).select("ind").distinct()
        return rows(table).join(pins.withColumn("pin", F.lit(True)), "ind", "left")

    return Check(
        name="has_pin",
        description="The row's post is in cleaned.pins, on any day.",
        severity="warn",
        over=with_pin,
        offends="pin IS NULL",
        max_share=0.01,
    )
