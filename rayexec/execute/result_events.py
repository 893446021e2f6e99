"""Questions to the events of a run, with Dagster's names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from rayexec.errors import InvariantError
from rayexec.events import Event, EventType, NodeHandle, StepFailureData
from rayexec.names import is_of_node

__all__ = ["EventQueries"]


class EventQueries(ABC):
    """Answers questions about a run from its events."""

    @property
    @abstractmethod
    def all_events(self) -> Sequence[Event]:
        """Every event of the run, in the order of the log."""

    @property
    def all_node_events(self) -> Sequence[Event]:
        """Events of steps and of what their ops report."""
        return self.filter_events(lambda event: event.is_step_event)

    def filter_events(self, event_filter: Callable[[Event], bool]) -> Sequence[Event]:
        """Return the events accepted by ``event_filter``."""
        return [event for event in self.all_events if event_filter(event)]

    def events_for_node(self, node_name: str) -> Sequence[Event]:
        """Return the step events of a node: an op, all ops in a graph, or all mapped steps.

        Lines of the log, captured output, hooks and resources are apart, in ``all_events``.
        """
        return self.filter_events(
            lambda event: event.is_step_event and is_of_node(event.step_key or "", node_name)
        )

    def compute_events_for_handle(self, handle: NodeHandle) -> Sequence[Event]:
        """Return the step events of a node by its handle."""
        return self.events_for_node(str(handle))

    def is_node_untouched(self, node_str: str) -> bool:
        """Whether the node has no event at all: it never ran, and was not skipped either."""
        return not self.events_for_node(node_str)

    def _of_type(self, kind: EventType) -> Sequence[Event]:
        return self.filter_events(lambda event: event.event_type is kind)

    def get_step_success_events(self) -> Sequence[Event]:
        """Return the STEP_SUCCESS events."""
        return self._of_type(EventType.STEP_SUCCESS)

    def get_step_failure_events(self) -> Sequence[Event]:
        """Return the STEP_FAILURE events."""
        return self._of_type(EventType.STEP_FAILURE)

    def get_step_skipped_events(self) -> Sequence[Event]:
        """Return the STEP_SKIPPED events."""
        return self._of_type(EventType.STEP_SKIPPED)

    def get_asset_materialization_events(self) -> Sequence[Event]:
        """Return the ASSET_MATERIALIZATION events."""
        return self._of_type(EventType.ASSET_MATERIALIZATION)

    def get_asset_observation_events(self) -> Sequence[Event]:
        """Return the ASSET_OBSERVATION events."""
        return self._of_type(EventType.ASSET_OBSERVATION)

    def get_asset_materialization_planned_events(self) -> Sequence[Event]:
        """Return the ASSET_MATERIALIZATION_PLANNED events: none, since jobs of ops plan none."""
        return self._of_type(EventType.ASSET_MATERIALIZATION_PLANNED)

    def asset_materializations_for_node(self, node_name: str) -> Sequence[Any]:
        """Return the AssetMaterializations that a node yielded or logged."""
        return [
            event.materialization
            for event in self.events_for_node(node_name)
            if event.is_step_materialization
        ]

    def asset_observations_for_node(self, node_name: str) -> Sequence[Any]:
        """Return the AssetObservations that a node yielded or logged."""
        return [
            event.asset_observation_data.asset_observation
            for event in self.events_for_node(node_name)
            if event.is_asset_observation
        ]

    def expectation_results_for_node(self, node_str: str) -> Sequence[Any]:
        """Return the ExpectationResults that a node yielded or logged."""
        return [
            event.step_expectation_result_data.expectation_result
            for event in self.events_for_node(node_str)
            if event.is_expectation_result
        ]

    def failure_data_for_node(self, node_str: str) -> StepFailureData | None:
        """Return the failure of a node's first failed step, None without one."""
        for event in self.events_for_node(node_str):
            if event.is_step_failure:
                return event.step_failure_data
        return None

    def get_run_success_event(self) -> Event:
        """Return the RUN_SUCCESS event; raises InvariantError without one."""
        return self._only(EventType.RUN_SUCCESS)

    def get_run_failure_event(self) -> Event:
        """Return the RUN_FAILURE event; raises InvariantError without one."""
        return self._only(EventType.RUN_FAILURE)

    get_job_success_event = get_run_success_event
    get_job_failure_event = get_run_failure_event

    def _only(self, kind: EventType) -> Event:
        events = self._of_type(kind)
        if not events:
            raise InvariantError(
                f"the run has no {kind.name} event; its last one is "
                f"{self.all_events[-1].event_type.name if self.all_events else 'none'}."
            )
        return events[-1]
