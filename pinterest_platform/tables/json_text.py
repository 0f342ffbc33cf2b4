"""What the platform takes for JSON, the same on every engine and at ingestion."""

BYTE_ORDER_MARK = "\ufeff"

# Levels of objects and arrays in a record, its own one counted. Sail 0.7.2 reads 127, Apache Spark
# 1,000; with room for what is put around a record to look at it.
DEEPEST = 100
