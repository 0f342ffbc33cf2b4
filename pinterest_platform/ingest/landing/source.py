"""The Spark Python data source that reads given lines of landing objects.

The driver selects the objects (``arrivals``) and passes the list in an option, so that every
evaluation of the plan reads the same objects.
"""

import base64
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import obstore
import pyarrow as pa
import pyarrow.compute as pc
from obstore.exceptions import BaseError
from pyspark.sql.datasource import DataSourceReader, InputPartition
from typing_extensions import override

from pinterest_platform.environment import set_variables
from pinterest_platform.errors import first_line
from pinterest_platform.ingest.arrays import split
from pinterest_platform.ingest.data_source import Source
from pinterest_platform.ingest.landing.arrivals import Arrival
from pinterest_platform.ingest.landing.layout import LandingKey
from pinterest_platform.ingest.rows import SCHEMA, micros, moment, text_or_bytes
from pinterest_platform.object_store import Store, open_store

FORMAT = "landing_objects"

# Small objects cost many round trips; parallel reads hide the latency. With a local S3 server and
# with a folder, throughput stops growing at 32.
READS_AT_ONCE = 32

# An engine reads slices in parallel, each fully in memory. 16 MiB of text occupy all cores from a
# few slices on and cost little memory.
SLICE_BYTES = 16 * 2**20
SLICE_OBJECTS = 4096


class BrokenObjectError(Exception):
    """A landing object with invalid content; the message names its key."""


class UnreadableObjectError(Exception):
    """A landing object that cannot be fetched; the message names its key."""


def options(url: str, arrivals: Sequence[Arrival]) -> dict[str, str]:
    """Data source options that select exactly these arrivals from ``url``."""
    listed = [
        (
            arrival.key.topic,
            arrival.key.partition,
            arrival.key.offset,
            micros(arrival.arrived_at),
            arrival.size,
            arrival.first_new,
            arrival.end,
        )
        for arrival in arrivals
    ]
    packed = base64.b64encode(zlib.compress(json.dumps(listed).encode())).decode()
    return {"url": url, "arrivals": packed}


class Slice(InputPartition):
    """The arrivals for one task."""

    def __init__(self, arrivals: list[Arrival]) -> None:
        super().__init__(None)
        self.arrivals = arrivals


class LandingSource(Source):
    """Yields one row per record: text or bytes, natural key, object and arrival.

    A line is one record, or several if it is an array of objects (``arrays``).
    """

    format_name = FORMAT

    @override
    def reader(self, schema: Any) -> DataSourceReader:
        return LandingReader(self.options["url"], self.options["arrivals"], self.environment)


class LandingReader(DataSourceReader):
    """Reads slices of landing objects into Arrow batches."""

    def __init__(self, url: str, packed: str, environment: Mapping[str, str]) -> None:
        self._url = url
        self._packed = packed
        self._environment = environment

    @override
    def partitions(self) -> list[Slice]:
        return [Slice(arrivals) for arrivals in _sliced(_unpacked(self._packed))]

    @override
    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        assert isinstance(partition, Slice)  # noqa: S101 - partitions() made it
        set_variables(self._environment)
        yield from split(lines_of(open_store(self._url), partition.arrivals))


def lines_of(store: Store, arrivals: Sequence[Arrival]) -> pa.RecordBatch:
    r"""The new lines of several landing objects as one batch.

    Only \n ends a line; line k has offset start + k, including blank lines.

    Raises:
        UnreadableObjectError: an object cannot be read.
        BrokenObjectError: it has lines that belong to the next object.
    """
    with ThreadPoolExecutor(READS_AT_ONCE) as threads:
        contents = list(threads.map(lambda arrival: _content(store, arrival), arrivals))
    counts = [content.count(b"\n") for content in contents]
    for arrival, count in zip(arrivals, counts, strict=True):
        if arrival.end is not None and arrival.key.offset + count > arrival.end:
            raise BrokenObjectError(
                f"the landing object '{arrival.key}' has {count} lines, but offset {arrival.end} "
                "is also in another object: the sink wrote them twice; move one of them away"
            )
    lines = _split(b"".join(contents))
    owner = np.repeat(np.arange(len(arrivals)), counts)
    starts = np.array([arrival.key.offset for arrival in arrivals], dtype=np.int64)
    first_lines = np.cumsum([0, *counts[:-1]], dtype=np.int64)
    offsets = starts[owner] + np.arange(len(owner)) - first_lines[owner]
    new = offsets >= np.array([arrival.first_new for arrival in arrivals], dtype=np.int64)[owner]
    value, value_bytes = text_or_bytes(lines.filter(pa.array(new)))
    of_line = pa.array(owner[new])

    def per_object(values: list[Any], type_: pa.DataType) -> pa.Array:
        return pa.array(values, type_).take(of_line)

    return pa.RecordBatch.from_arrays(
        [
            value,
            value_bytes,
            per_object([arrival.key.topic for arrival in arrivals], pa.string()),
            per_object([str(arrival.key.partition) for arrival in arrivals], pa.string()),
            pc.cast(pa.array(offsets[new]), pa.string()),
            per_object([str(arrival.key) for arrival in arrivals], pa.string()),
            per_object([micros(arrival.arrived_at) for arrival in arrivals], pa.int64()),
        ],
        schema=SCHEMA,
    )


def _content(store: Store, arrival: Arrival) -> bytes:
    """The object's bytes, with a newline after the last line."""
    try:
        content = bytes(obstore.get(store, str(arrival.key)).bytes())
    except (BaseError, OSError) as error:
        raise UnreadableObjectError(
            f"the landing object '{arrival.key}' cannot be read: {first_line(error)}"
        ) from None
    return content if content.endswith(b"\n") or not content else content + b"\n"


def _split(content: bytes) -> pa.Array:
    r"""The lines of the content, in which every line ends with \n."""
    whole = pa.array([content], pa.large_binary())
    return pc.split_pattern(whole, b"\n").flatten().slice(0, content.count(b"\n"))


def _unpacked(packed: str) -> list[Arrival]:
    listed = json.loads(zlib.decompress(base64.b64decode(packed)))
    return [
        Arrival(
            key=LandingKey(topic, partition, offset),
            arrived_at=moment(arrived_at),
            size=size,
            first_new=first_new,
            end=end,
        )
        for topic, partition, offset, arrived_at, size, first_new, end in listed
    ]


def _sliced(arrivals: Sequence[Arrival]) -> Iterator[list[Arrival]]:
    piece: list[Arrival] = []
    size = 0
    for arrival in arrivals:
        if piece and (size + arrival.size > SLICE_BYTES or len(piece) == SLICE_OBJECTS):
            yield piece
            piece, size = [], 0
        piece.append(arrival)
        size += arrival.size
    if piece:
        yield piece
