"""The entry point: the definitions that Dagster loads."""

import warnings
from pathlib import Path

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
    return dg.Definitions.merge(
        _of_the_folder(),
        dg.Definitions(
            resources={"engine": EngineResource.of(load())},
            # In one process, so that all steps of a run share one engine session.
            executor=dg.in_process_executor,
        ),
    )


def _of_the_folder() -> dg.Definitions:
    """Like ``dg.load_from_defs_folder``, which needs a pyproject.toml: a wheel has none."""
    with warnings.catch_warnings():
        for category in (dg.BetaWarning, dg.PreviewWarning):
            warnings.simplefilter("ignore", category)
        return dg.ComponentTree.from_module(
            defs_module=pinterest_platform.defs, project_root=Path(__file__).parent
        ).build_defs()
