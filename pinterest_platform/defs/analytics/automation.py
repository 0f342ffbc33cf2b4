"""When the analytics are made without being asked for: when what they are made from is newer."""

from typing import Any

import dagster as dg
from typing_extensions import override

from pinterest_platform.defs.staleness import is_older_than

_Condition = dg.AutomationCondition


class OlderThanDeps(dg.AutomationCondition[dg.AssetKey]):
    """True while one of the asset's dependencies, any day of it, was made after the asset.

    It costs one query, however many days there are. ``newly_updated().since(newly_updated())``
    cannot replace it: beyond 100 days in a tick Dagster no longer knows which came first.
    """

    @property
    @override
    def requires_cursor(self) -> bool:
        return False

    @override
    def evaluate(
        self, context: dg.AutomationContext[dg.AssetKey]
    ) -> dg.AutomationResult[dg.AssetKey]:
        parents = context.asset_graph.get(context.key).parent_keys
        older = is_older_than(context.asset_graph_view.instance, [context.key], parents)
        return dg.AutomationResult(
            context, context.candidate_subset if older else context.get_empty_subset()
        )


def _once(trigger: dg.AutomationCondition[Any]) -> dg.AutomationCondition[Any]:
    """True from the trigger until the asset is asked for: what failed is not asked for for ever."""
    return trigger.since(_Condition.newly_requested())


# While a run is about to make the asset, or what it is made from, it is waited for: mostly it makes
# both. Days that were never made are no reason to wait. Runs are looked at first: one that ended
# between the two looks made the asset before the second, and not after the first.
UP_TO_DATE = ~(_Condition.any_deps_in_progress() | _Condition.in_progress()) & (
    (
        OlderThanDeps()
        & (
            _once(_Condition.any_deps_match(_Condition.newly_updated()))
            | _once(_Condition.initial_evaluation())
        )
    )
    | _Condition.any_deps_match(_Condition.will_be_requested())
)
