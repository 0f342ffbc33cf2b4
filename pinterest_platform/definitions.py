"""The entry: what Dagster loads."""

from pathlib import Path

import dagster as dg

from pinterest_platform.defs.resources import EngineResource
from pinterest_platform.environment import forget_users_of_endpoints, reach_this_machine_directly
from pinterest_platform.executor import in_process_executor
from pinterest_platform.settings import load


@dg.definitions
def defs() -> dg.Definitions:
    """Everything in ``defs/``, with the engine that the environment asks for."""
    reach_this_machine_directly()
    forget_users_of_endpoints()
    return dg.Definitions.merge(
        dg.load_from_defs_folder(path_within_project=Path(__file__).parent),
        dg.Definitions(
            resources={"engine": EngineResource.of(load())},
            # A step is an engine session's work; a process for each would start an engine each.
            executor=in_process_executor,
        ),
    )
