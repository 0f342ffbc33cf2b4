"""The automation condition of the analytics: update them when their inputs are newer."""

from typing import Any

import dagster as dg
from typing_extensions import override

from pinterest_platform.defs.staleness import is_older_than

_Condition = dg.AutomationCondition


class OlderThanDeps(dg.AutomationCondition[dg.AssetKey]):
    """True while a dependency of the asset, in any partition, was materialised after the asset.

    One query answers it for any number of partitions. ``newly_updated().since(newly_updated())``
    cannot replace it: beyond 100 partitions in a tick, Dagster loses their order.
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
    """True from the trigger until the asset is requested, so failures do not repeat for ever."""
    return trigger.since(_Condition.newly_requested())


# Most runs materialise both an asset and its inputs, so wait for runs in progress. That check comes
# first: a run that ends between the two has materialised the asset before the second.
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
