"""The entry point: the definitions that Dagster loads."""

import warnings

import dagster as dg

import pinterest_platform.defs
from pinterest_platform.defs.resources import EngineResource
from pinterest_platform.environment import forget_users_of_endpoints, reach_this_machine_directly
from pinterest_platform.settings import load


@dg.definitions
def defs() -> dg.Definitions:
    """All definitions in ``defs/``, with the engine that the environment selects."""
    reach_this_machine_directly()
    forget_users_of_endpoints()
    with warnings.catch_warnings():
        # ``dg.load_from_defs_folder`` needs a pyproject.toml, which a wheel does not have. It also
        # imports the components of every installed package, which takes each process a second.
        for category in (dg.BetaWarning, dg.PreviewWarning):
            warnings.simplefilter("ignore", category)
        return dg.load_definitions_from_package_module(
            pinterest_platform.defs,
            resources={"engine": EngineResource.of(load())},
            # In one process, so that all steps of a run share one engine session.
            executor=dg.in_process_executor,
        )
