"""The tables of the source database: where the lineage starts. Nothing here makes them."""

import dagster as dg

from pinterest_platform.defs.layers import OWNERS

# The table that the records of a kind are rows of.
OF_KIND = {"pin": "pinterest_data", "geo": "geolocation_data", "user": "user_data"}

DESCRIPTIONS = {
    "pinterest_data": "One row: what a post shows, by `index`.",
    "geolocation_data": "One row: where and when a post was made, by `ind`.",
    "user_data": "One row: who made a post, by `ind`.",
}


@dg.definitions
def source() -> dg.Definitions:
    """The three source tables as external assets."""
    return dg.Definitions(
        assets=[
            dg.AssetSpec(
                ["source", name],
                description=description,
                group_name="source",
                kinds={"mysql"},
                owners=OWNERS,
                tags={"layer": "source"},
            )
            for name, description in DESCRIPTIONS.items()
        ]
    )
