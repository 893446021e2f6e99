"""A batch over its budget gives back what it has not started, exactly once."""

from __future__ import annotations

import os
import pickle
import queue
import socket
from typing import Any

from rayexec.engine.ray.protocol.overrun import Mailbox, Watched, mailbox_at, watch


def test_the_unstarted_tail_comes_back_with_what_is_done() -> None:
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    mailbox = Mailbox("127.0.0.1")
    address = mailbox.open_box(heard.put)
    try:
        work = Watched(7, 4, address)
        assert work.may_start(0)
        work.entries.add(b"zero")
        assert work.may_start(1)
        work.report()
        assert pickle.loads(heard.get(timeout=10)) == (7, os.getpid(), [b"zero"], [2, 3])
        assert not work.may_start(2)
        work.report()
        assert heard.empty()
    finally:
        mailbox.close()


def test_the_watch_rings_for_the_batch_it_was_armed_for_last() -> None:
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    mailbox = Mailbox("127.0.0.1")
    address = mailbox.open_box(heard.put)
    try:
        over, running = Watched(1, 3, address), Watched(2, 3, address)
        for work in (over, running):
            assert work.may_start(0)
        watch(over, 3600)
        over.is_over = True
        watch(running, 0.01)
        assert pickle.loads(heard.get(timeout=10))[0] == 2
        assert heard.empty()
    finally:
        mailbox.close()


def test_nothing_is_given_back_by_the_last_call_or_without_a_driver() -> None:
    last = Watched(1, 1, None)
    assert last.may_start(0)
    last.report()
    unreachable = Watched(2, 3, (("127.0.0.1", 9), b"key", 0))
    assert unreachable.may_start(0)
    unreachable.report()
    assert not unreachable.may_start(1)


def test_a_stranger_is_not_heard() -> None:
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    mailbox = Mailbox("127.0.0.1")
    address = mailbox.open_box(heard.put)
    try:
        stranger = Watched(1, 2, (address[0], b"another key", address[2]))
        assert stranger.may_start(0)
        stranger.report()
        friend = Watched(2, 2, address)
        assert friend.may_start(0)
        friend.report()
        assert pickle.loads(heard.get(timeout=10))[0] == 2
        assert heard.empty()
    finally:
        mailbox.close()


def test_what_was_skipped_comes_back_too() -> None:
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    mailbox = Mailbox("127.0.0.1")
    address = mailbox.open_box(heard.put)
    try:
        work = Watched(3, 3, address)
        assert work.may_start(0)
        work.skip(1)
        assert work.may_start(2)
        work.report()
        assert pickle.loads(heard.get(timeout=10)) == (3, os.getpid(), [], [1])
    finally:
        mailbox.close()


def test_a_silent_visitor_does_not_keep_others_out_for_ever() -> None:
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    mailbox = Mailbox("127.0.0.1")
    address = mailbox.open_box(heard.put)
    try:
        with socket.create_connection(address[0]):
            work = Watched(4, 2, address)
            assert work.may_start(0)
            work.report()
            assert pickle.loads(heard.get(timeout=30)) == (4, os.getpid(), [], [1])
    finally:
        mailbox.close()


def test_what_is_done_does_not_hide_behind_the_last_call() -> None:
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    mailbox = Mailbox("127.0.0.1")
    try:
        work = Watched(5, 2, mailbox.open_box(heard.put))
        assert work.may_start(0)
        work.entries.add(b"zero")
        assert work.may_start(1)
        work.report()
        assert pickle.loads(heard.get(timeout=10)) == (5, os.getpid(), [b"zero"], [])
    finally:
        mailbox.close()


def test_each_run_hears_what_is_meant_for_it() -> None:
    mine: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    other: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    mailbox = Mailbox("127.0.0.1")
    try:
        boxes = [mailbox.open_box(each.put) for each in (mine, other)]
        closed = mailbox.open_box(mine.put)
        mailbox.close_box(closed)
        for batch_id, address in enumerate([closed, *boxes]):
            work = Watched(batch_id, 2, address)
            assert work.may_start(0)
            work.report()
        assert pickle.loads(mine.get(timeout=10))[0] == 1
        assert pickle.loads(other.get(timeout=10))[0] == 2
        assert mine.empty()
    finally:
        mailbox.close()


def test_a_process_has_one_mailbox_an_address() -> None:
    assert mailbox_at("127.0.0.1") is mailbox_at("127.0.0.1")
