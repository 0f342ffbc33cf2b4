"""The landing objects of each topic, as external assets: the platform only reads them."""

import dagster as dg

from pinterest_platform.defs.layers import OWNERS
from pinterest_platform.kinds import KINDS
from pinterest_platform.settings import load

_settings = load()

landing = [
    dg.AssetSpec(
        ["landing", name],
        deps=[dg.AssetKey(["source", kind.source_table])],
        description=(
            f"JSON lines of the topic {_settings.topics[name]}, at "
            "`topics/<topic>/partition=<p>/<topic>+<p>+<start offset>.json`."
        ),
        group_name="landing",
        kinds={"json", "s3" if _settings.landing.startswith("s3://") else "file"},
        owners=OWNERS,
        tags={"layer": "landing", "channel": "batch"},
        metadata={"place": _settings.landing, "topic": _settings.topics[name]},
    )
    for name, kind in KINDS.items()
]
