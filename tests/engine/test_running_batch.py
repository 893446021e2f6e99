"""Reports of a running batch; one over its budget gives back calls without a start, once."""

from __future__ import annotations

import os
import queue
import socket

from rayexec.engine.ray.driver.mailbox import Mailbox, mailbox_at
from rayexec.engine.ray.protocol.framing import Address
from rayexec.engine.ray.protocol.worker_messages import CallsFinished, decode
from rayexec.engine.ray.worker.budget_watch import watch_budget
from rayexec.engine.ray.worker.report_sender import ReportSender
from rayexec.engine.ray.worker.running_batch import RunningBatch


def running(batch_id: int, calls: int, address: Address | None) -> RunningBatch:
    return RunningBatch(batch_id, calls, ReportSender(address))


def next_report(bodies: queue.SimpleQueue[bytes], timeout: float = 120) -> CallsFinished:
    message = decode(bodies.get(timeout=timeout))
    assert isinstance(message, CallsFinished)
    return message


def test_the_unstarted_tail_comes_back_with_what_is_done() -> None:
    bodies: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    mailbox = Mailbox("127.0.0.1")
    address = mailbox.open_channel(bodies.put)
    try:
        work = running(7, 4, address)
        assert work.may_start(0)
        work.entries.add(b"zero")
        assert work.may_start(1)
        work.give_back()
        assert next_report(bodies) == CallsFinished(7, os.getpid(), [b"zero"], [2, 3])
        assert not work.may_start(2)
        work.give_back()
        assert bodies.empty()
    finally:
        mailbox.close()


def test_the_watch_rings_for_the_batch_it_was_armed_for_last() -> None:
    bodies: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    mailbox = Mailbox("127.0.0.1")
    address = mailbox.open_channel(bodies.put)
    try:
        over, current = running(1, 3, address), running(2, 3, address)
        for work in (over, current):
            assert work.may_start(0)
        watch_budget(over, 3600)
        over.is_over = True
        watch_budget(current, 0.01)
        assert next_report(bodies).batch_id == 2
        assert bodies.empty()
    finally:
        mailbox.close()


def test_nothing_is_given_back_by_the_last_call_or_without_a_driver() -> None:
    last = running(1, 1, None)
    assert last.may_start(0)
    last.give_back()
    unreachable = running(2, 3, Address("127.0.0.1", 9, b"key"))
    assert unreachable.may_start(0)
    unreachable.give_back()
    assert not unreachable.may_start(1)


def test_a_stranger_is_not_heard() -> None:
    bodies: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    mailbox = Mailbox("127.0.0.1")
    address = mailbox.open_channel(bodies.put)
    try:
        stranger = running(1, 2, address._replace(key=b"another key"))
        assert stranger.may_start(0)
        stranger.give_back()
        friend = running(2, 2, address)
        assert friend.may_start(0)
        friend.give_back()
        assert next_report(bodies).batch_id == 2
        assert bodies.empty()
    finally:
        mailbox.close()


def test_what_was_skipped_comes_back_too() -> None:
    bodies: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    mailbox = Mailbox("127.0.0.1")
    address = mailbox.open_channel(bodies.put)
    try:
        work = running(3, 3, address)
        assert work.may_start(0)
        work.skip(1)
        assert work.may_start(2)
        work.give_back()
        assert next_report(bodies) == CallsFinished(3, os.getpid(), [], [1])
    finally:
        mailbox.close()


def test_a_silent_visitor_does_not_keep_others_out_for_ever() -> None:
    bodies: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    mailbox = Mailbox("127.0.0.1")
    address = mailbox.open_channel(bodies.put)
    try:
        with socket.create_connection(address[:2]):
            work = running(4, 2, address)
            assert work.may_start(0)
            work.give_back()
            assert next_report(bodies) == CallsFinished(4, os.getpid(), [], [1])
    finally:
        mailbox.close()


def test_what_is_done_does_not_hide_behind_the_last_call() -> None:
    bodies: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    mailbox = Mailbox("127.0.0.1")
    try:
        work = running(5, 2, mailbox.open_channel(bodies.put))
        assert work.may_start(0)
        work.entries.add(b"zero")
        assert work.may_start(1)
        work.give_back()
        assert next_report(bodies) == CallsFinished(5, os.getpid(), [b"zero"], [])
    finally:
        mailbox.close()


def test_each_run_hears_what_is_meant_for_it() -> None:
    mine: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    other: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    mailbox = Mailbox("127.0.0.1")
    try:
        channels = [mailbox.open_channel(bodies.put) for bodies in (mine, other)]
        closed = mailbox.open_channel(mine.put)
        mailbox.close_channel(closed)
        for batch_id, address in enumerate([closed, *channels]):
            work = running(batch_id, 2, address)
            assert work.may_start(0)
            work.give_back()
        assert next_report(mine).batch_id == 1
        assert next_report(other).batch_id == 2
        assert mine.empty()
    finally:
        mailbox.close()


def test_a_process_has_one_mailbox_an_address() -> None:
    assert mailbox_at("127.0.0.1") is mailbox_at("127.0.0.1")
