"""Queue of ready steps."""

import pytest

from rayexec.scheduler.ready_queue import ReadyQueue


def test_order_releases_a_step_when_its_last_predecessor_is_done() -> None:
    order = ReadyQueue([0, 0, 2, 1], [[2], [2], [3], []], [0, 1, 2, 3])
    assert order.prepare() == [0, 1]
    assert order.done([0]) == []
    assert not order.is_released(2)
    assert order.done([1]) == [2]
    assert order.is_released(2)
    assert order.done([2]) == [3]


def test_order_hands_out_the_best_first_and_takes_steps_back() -> None:
    order = ReadyQueue([0] * 4, [[]] * 4, [3, 1, 2, 0])
    for step in order.prepare():
        order.add(step, 0)
    assert order.count(0) == 4
    assert [order.get_ready(0) for _ in range(2)] == [3, 1]
    order.add(3, 0)
    assert order.peek(0) == 3
    assert [order.get_ready(0) for _ in range(3)] == [3, 2, 0]
    assert order.count(0) == 0
    assert order.peek(0) == -1
    with pytest.raises(KeyError):
        order.get_ready(0)


def test_order_may_change_while_steps_are_ready() -> None:
    order = ReadyQueue([0] * 5, [[]] * 5, [0, 1, 2, 3, 4])
    for step in (0, 1, 2):
        order.add(step, 0)
    order.add(3, 0, first=True)
    assert order.peek(0) == 3
    order.rank([4, 2, 3, 1, 0])
    order.add(4, 0)
    assert [order.get_ready(0) for _ in range(5)] == [4, 2, 3, 1, 0]


def test_order_puts_the_class_of_the_best_step_first() -> None:
    order = ReadyQueue([0] * 4, [[]] * 4, [3, 1, 2, 0])
    for step, class_id in enumerate((0, 1, 0, 2)):
        order.add(step, class_id)
    assert [class_id for _, class_id in sorted(order.heads({0, 1, 2, 9}))] == [2, 1, 0]
    assert [class_id for _, class_id in sorted(order.heads({0, 1}))] == [1, 0]
    order.get_ready(1)
    assert [class_id for _, class_id in order.heads({0, 1})] == [0]
    assert order.head(1) is None
