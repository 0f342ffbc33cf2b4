"""The Spark Python data source that reads the shards of a Kinesis stream, one task per shard.

The driver selects the range to read of each shard (see ``shard_reads``) and passes it in an option.
A range without an end is read up to the shard's tip.
"""

import base64
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql.datasource import DataSourceReader, InputPartition
from typing_extensions import override

from pinterest_platform.environment import set_variables
from pinterest_platform.ingest.arrays import split
from pinterest_platform.ingest.data_source import Source
from pinterest_platform.ingest.kinesis.client import Connection
from pinterest_platform.ingest.kinesis.shard_reads import DISORDER, ShardRead, Span
from pinterest_platform.ingest.kinesis.shards import Position, Record, Shard, pages
from pinterest_platform.ingest.rows import SCHEMA, micros, moment, text_or_bytes

FORMAT = "kinesis_records"


def options(region: str, stream: str, reads: Sequence[ShardRead]) -> dict[str, str]:
    """Data source options that select exactly these ranges of a stream."""
    listed = [
        (
            read.shard.id,
            str(read.shard.first_hash),
            str(read.shard.last_hash),
            [
                (
                    span.start.after,
                    span.start.at and micros(span.start.at),
                    micros(span.first),
                    micros(span.until),
                )
                for span in read.spans
            ],
        )
        for read in reads
    ]
    packed = base64.b64encode(zlib.compress(json.dumps(listed).encode())).decode()
    return {"region": region, "stream": stream, "reads": packed}


class ShardTask(InputPartition):
    """The shard for one task."""

    def __init__(self, read: ShardRead) -> None:
        super().__init__(None)
        self.read = read


class KinesisSource(Source):
    """Yields one row per record: text or bytes, natural key and arrival."""

    format_name = FORMAT

    @override
    def reader(self, schema: Any) -> DataSourceReader:
        return KinesisReader(
            self.options["region"], self.options["stream"], self.options["reads"], self.environment
        )


class KinesisReader(DataSourceReader):
    """Reads shards into Arrow batches, one per page."""

    def __init__(
        self, region: str, stream: str, packed: str, environment: Mapping[str, str]
    ) -> None:
        self._region = region
        self._stream = stream
        self._packed = packed
        self._environment = environment

    @override
    def partitions(self) -> list[ShardTask]:
        return [ShardTask(read) for read in _unpacked(self._packed)]

    @override
    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        assert isinstance(partition, ShardTask)  # noqa: S101 - partitions() made it
        set_variables(self._environment)
        shard = partition.read.shard
        kinesis = Connection(self._region or None)
        for span in partition.read.spans:
            for page in pages(kinesis, self._stream, shard, span.start):
                requested = [
                    record
                    for record in page.records
                    if span.first <= record.arrived_at < span.until
                ]
                if requested:
                    yield from split(_batch(self._stream, shard, requested))
                if page.records and page.records[-1].arrived_at >= span.until + DISORDER:
                    break


def _batch(stream: str, shard: Shard, records: Sequence[Record]) -> pa.RecordBatch:
    value, value_bytes = text_or_bytes(pa.array([record.data for record in records], pa.binary()))
    count = len(records)
    return pa.RecordBatch.from_arrays(
        [
            value,
            value_bytes,
            pa.array([stream] * count, pa.string()),
            pa.array([shard.id] * count, pa.string()),
            pa.array([record.number for record in records], pa.string()),
            pa.nulls(count, pa.string()),
            pa.array([micros(record.arrived_at) for record in records], pa.int64()),
        ],
        schema=SCHEMA,
    )


def _unpacked(packed: str) -> list[ShardRead]:
    listed = json.loads(zlib.decompress(base64.b64decode(packed)))
    return [
        ShardRead(
            Shard(id=shard, first_hash=int(first_hash), last_hash=int(last_hash)),
            tuple(
                Span(
                    Position(after, None if at is None else moment(at)),
                    moment(first),
                    moment(until),
                )
                for after, at, first, until in spans
            ),
        )
        for shard, first_hash, last_hash, spans in listed
    ]
