"""The Kinesis stream of each kind of record, as external assets: Dagster only reads them."""

import dagster as dg

from pinterest_platform.defs.layers import OWNERS
from pinterest_platform.kinds import KINDS
from pinterest_platform.settings import load

streams = [
    dg.AssetSpec(
        ["streams", kind],
        deps=[dg.AssetKey(["source", KINDS[kind].source_table])],
        description=f"Records of the Kinesis stream {stream}, each a JSON object.",
        group_name="streams",
        kinds={"json", "kinesis"},
        owners=OWNERS,
        tags={"layer": "streams", "channel": "stream"},
        metadata={"stream": stream},
    )
    for kind, stream in load().streams.items()
]
