"""The analytic tables: posts and the eleven outputs, over all days."""

from pinterest_platform.defs.analytics.automation import UP_TO_DATE
from pinterest_platform.defs.layers import layer
from pinterest_platform.tables.catalog import in_schema

analytics = layer(
    "analytics",
    in_schema("analytics"),
    "Replaces the tables with their current content.",
    automation=UP_TO_DATE,
)
