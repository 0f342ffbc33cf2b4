"""The tables of the source database, as external assets: the lineage starts here."""

import dagster as dg

from pinterest_platform.defs.layers import OWNERS
from pinterest_platform.kinds import KINDS

source = [
    dg.AssetSpec(
        ["source", kind.source_table],
        description=kind.source_description,
        group_name="source",
        kinds={"mysql"},
        owners=OWNERS,
        tags={"layer": "source"},
    )
    for kind in KINDS.values()
]
