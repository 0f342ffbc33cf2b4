"""The sensor of the Kinesis streams."""

from pinterest_platform.defs.arrivals import arrival_sensor
from pinterest_platform.ingest.kinesis.poll import poll
from pinterest_platform.tables import raw

stream_arrivals = arrival_sensor(
    "stream_arrivals",
    poll,
    group="streams",
    tables=raw.STREAM,
    description="Starts a run when records arrive in the Kinesis streams.",
)
