"""The cleaned tables: raw rows become typed rows, or quarantined rows with a reason."""

from pinterest_platform.defs.layers import layer
from pinterest_platform.tables.catalog import in_schema

cleaned = layer("cleaned", in_schema("cleaned"), "Replaces the partitions of the run.")
