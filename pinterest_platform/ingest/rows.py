"""The rows that every data source yields: records as they arrived, with their origin.

The columns are those of a raw table except ``ingested_at`` and ``day``, which the writer adds.
"""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

# Arrival is in microseconds since 1970: engines disagree on the Arrow type of a TIMESTAMP.
SCHEMA = pa.schema(
    [
        ("value", pa.string()),
        ("value_bytes", pa.binary()),
        ("topic_or_stream", pa.string()),
        ("partition_or_shard", pa.string()),
        ("offset_or_sequence_number", pa.string()),
        ("source", pa.string()),
        ("arrived_at_micros", pa.int64()),
    ]
)
DDL = (
    "value STRING, value_bytes BINARY, topic_or_stream STRING, partition_or_shard STRING, "
    "offset_or_sequence_number STRING, source STRING, arrived_at_micros BIGINT"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(at: datetime) -> int:
    """Convert a time to microseconds since 1970, UTC."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def moment(at_micros: int) -> datetime:
    """Convert microseconds since 1970 to a UTC time."""
    return _EPOCH + timedelta(microseconds=at_micros)


def text_or_bytes(records: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Binary records -> the UTF-8 ones as text, and the bytes of the others."""
    try:
        return records.cast(pa.string()), pa.nulls(len(records), pa.binary())
    except pa.ArrowInvalid:
        texts = [_decoded(record) for record in records.to_pylist()]
        value = pa.array(texts, pa.string())
        return value, pc.if_else(value.is_valid(), None, records.cast(pa.binary()))


def _decoded(record: bytes) -> str | None:
    try:
        return record.decode()
    except UnicodeDecodeError:
        return None
