"""Executes the steps of a run in its process, and waits well for their pools.

Dagster's own executor does not: a step that waits for its pool keeps a core busy, cannot be
interrupted, and may wait for ever.
"""

import os
from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster._core.errors import raise_execution_interrupts
from dagster._core.events import EngineEventData
from dagster._core.execution.api import ExecuteRunWithPlanIterable
from dagster._core.execution.context.system import PlanExecutionContext, PlanOrchestrationContext
from dagster._core.execution.context_creation_job import PlanExecutionContextManager
from dagster._core.execution.plan.execute_plan import inner_plan_execution_iterator
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.base import Executor
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.legacy_storage import LegacyEventLogStorage
from typing_extensions import override

# How often a run whose step waits looks whether it was interrupted. It asks for its turn after 1 s
# first, and every 15 s in the end; the intervals are Dagster's.
_LOOK_SECONDS = 1.0


class InProcessExecutor(Executor):
    """One step after the other, in this process."""

    def __init__(self) -> None:
        self._retries = RetryMode.ENABLED

    @property
    @override
    def retries(self) -> RetryMode:
        return self._retries

    @override
    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        pid = os.getpid()
        yield dg.DagsterEvent.engine_event(
            plan_context,
            f"Executing steps in process (pid: {pid})",
            event_specific_data=EngineEventData.in_process(
                pid, execution_plan.step_keys_to_execute
            ),
        )
        yield from ExecuteRunWithPlanIterable(
            execution_plan=plan_context.execution_plan,
            iterator=_steps,
            execution_context_manager=PlanExecutionContextManager(
                job=plan_context.job,
                execution_plan=plan_context.execution_plan,
                run_config=plan_context.run_config,
                dagster_run=plan_context.dagster_run,
                instance=plan_context.instance,
                retry_mode=plan_context.retry_mode,
                raise_on_error=plan_context.raise_on_error,
                output_capture=plan_context.output_capture,
            ),
        )


@dg.executor(name="in_process")
def in_process_executor(_: dg.InitExecutorContext) -> InProcessExecutor:
    """One step after the other, in the process of the run."""
    return InProcessExecutor()


def _steps(
    job_context: PlanExecutionContext, execution_plan: ExecutionPlan, **_: Any
) -> Iterator[dg.DagsterEvent]:
    with _Turns(job_context.instance, job_context.dagster_run) as turns:
        yield from inner_plan_execution_iterator(job_context, execution_plan, turns)


class _Turns(InstanceConcurrencyContext):
    """The steps of a run that wait for their pools."""

    @override
    def claim(self, concurrency_key: str, step_key: str, step_priority: int = 0) -> bool:
        if step_key in self.pending_claim_steps():
            _hand_out_free_slots(self._instance, concurrency_key)
        return super().claim(concurrency_key, step_key, step_priority)

    @override
    def interval_to_next_pending_claim_check(self) -> float:
        # Dagster keeps an interrupt for the next step, which may be far away.
        with raise_execution_interrupts():
            return _LOOK_SECONDS


def _hand_out_free_slots(instance: dg.DagsterInstance, pool: str) -> None:
    """Give the slots of a pool that are free to the steps that wait for them, in their order.

    A step that ends hands its slot to the next that waits. One that asks in the same moment may
    find the slot taken, and be in the queue only after the slot was handed on, to nobody. Dagster
    would let it wait until another step of the pool ends, which may be never.
    """
    storage = instance.event_log_storage
    if isinstance(storage, LegacyEventLogStorage):  # as with the one setting "storage"
        storage = storage._storage.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return
    found = storage.get_concurrency_info(pool)
    free = found.slot_count - found.assigned_step_count
    # One that is handed out twice can be taken once: a step takes a row of the database.
    storage.assign_pending_steps([pool] * min(free, found.pending_step_count))
