"""Distinct resource requests at the engine: few of a kind at once, and none that waits for ever."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from rayexec.placement.limits import SchedulingClass
from rayexec.placement.resource_request import Request
from rayexec.scheduler.distinct_requests import DistinctRequests

MOST = 16


def classes_of(requests: Sequence[Request], slots: int = 2) -> list[SchedulingClass]:
    return [SchedulingClass(request, (), slots) for request in requests]


def distinct(count: int) -> list[Request]:
    return [Request(1.0, memory=1000.0 + index) for index in range(count)]


def submit_all(requests: DistinctRequests, class_ids: Sequence[int]) -> list[int]:
    """Submit a batch of each class that need not wait; return these."""
    submitted = [class_id for class_id in class_ids if not requests.holds_back(class_id)]
    for class_id in submitted:
        requests.submit(class_id)
    return submitted


def submit_in_turn(requests: DistinctRequests, class_ids: Sequence[int]) -> list[int]:
    return [class_id for one in class_ids for class_id in submit_all(requests, [one])]


def test_a_full_kind_opens_again_with_room_for_several() -> None:
    requests = DistinctRequests(classes_of(distinct(40)), 2, has_autoscaler=False)
    first = submit_in_turn(requests, range(40))
    assert first == list(range(MOST))
    assert not requests.holds_back(first[0])  # it is there already
    opened = [list(requests.end(class_id)) for class_id in first[:4]]
    assert opened == [[], [], [], list(range(MOST, 40))]
    assert submit_in_turn(requests, opened[-1]) == list(range(MOST, MOST + 4))


def test_one_request_with_several_limits_counts_once() -> None:
    same = [SchedulingClass(Request(1.0), ((index, 1),), 2) for index in range(100)]  # type: ignore[arg-type]
    requests = DistinctRequests(same, 2, has_autoscaler=False)
    assert submit_in_turn(requests, range(100)) == list(range(100))


def test_a_scarce_resource_does_not_hold_back_others() -> None:
    scarce = [Request(1.0, num_gpus=1, memory=float(1000 + index)) for index in range(40)]
    made = classes_of(scarce, slots=1) + classes_of([Request(1.0), Request(2.0)], slots=8)
    far = [Request(1.0, label_selector={"zone": "mars"}, memory=5000.0)]
    requests = DistinctRequests(made + classes_of(far), 8, has_autoscaler=False)
    submitted = submit_in_turn(requests, range(len(made) + 1))
    assert submitted[-3:] == [40, 41, 42]
    assert len(submitted) == 3 * 8 + 3


def test_an_autoscaler_sees_more_of_them() -> None:
    requests = DistinctRequests(classes_of(distinct(300)), 2, has_autoscaler=True)
    assert len(submit_in_turn(requests, range(300))) == 200


@given(st.lists(st.integers(0, 9), min_size=1, max_size=200), st.data())
def test_every_class_has_its_turn(groups: list[int], data: st.DataObject) -> None:
    requests = [
        Request(1.0, memory=float(1000 + index), resources={f"r{group}": 1.0} if group > 4 else {})
        for index, group in enumerate(groups)
    ]
    counted = DistinctRequests(classes_of(requests), 2, has_autoscaler=False)
    open_classes = set(range(len(requests)))
    running: list[int] = []
    through: set[int] = set()
    while len(through) < len(requests):
        for class_id in sorted(open_classes):
            open_classes.discard(class_id)
            running += submit_all(counted, [class_id])
        assert running, "classes wait, and nothing runs"
        assert len(running) <= MOST * 6
        ended = running.pop(data.draw(st.integers(0, len(running) - 1)))
        through.add(ended)
        open_classes.update(counted.end(ended))
    assert not running
