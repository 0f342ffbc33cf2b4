"""The sensor of the landing topics."""

from pinterest_platform.defs.arrivals import arrival_sensor
from pinterest_platform.ingest.landing.poll import poll
from pinterest_platform.tables import raw

landing_arrivals = arrival_sensor(
    "landing_arrivals",
    poll,
    group="landing",
    tables=raw.BATCH,
    description="Starts a run when landing objects arrive.",
)
