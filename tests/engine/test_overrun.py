"""A slice over its budget gives back what it has not started, exactly once."""

from __future__ import annotations

import pickle
import queue
import socket
from typing import Any

from rayexec.engine.overrun import Mailbox, Watched, watch


def test_the_unstarted_tail_comes_back_with_what_is_done() -> None:
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    mailbox = Mailbox("127.0.0.1", heard.put)
    try:
        work = Watched(7, 4, mailbox.address)
        assert work.may_start(0)
        work.entries.append(b"zero")
        assert work.may_start(1)
        work.report()
        assert pickle.loads(heard.get(timeout=10)) == (7, [b"zero"], [2, 3])
        assert not work.may_start(2)
        work.report()
        assert heard.empty()
    finally:
        mailbox.close()


def test_the_watch_rings_for_the_slice_it_was_armed_for_last() -> None:
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    mailbox = Mailbox("127.0.0.1", heard.put)
    try:
        over, running = Watched(1, 3, mailbox.address), Watched(2, 3, mailbox.address)
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
    unreachable = Watched(2, 3, (("127.0.0.1", 9), b"key"))
    assert unreachable.may_start(0)
    unreachable.report()
    assert not unreachable.may_start(1)


def test_a_stranger_is_not_heard() -> None:
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    mailbox = Mailbox("127.0.0.1", heard.put)
    try:
        stranger = Watched(1, 2, (mailbox.address[0], b"another key"))
        assert stranger.may_start(0)
        stranger.report()
        friend = Watched(2, 2, mailbox.address)
        assert friend.may_start(0)
        friend.report()
        assert pickle.loads(heard.get(timeout=10))[0] == 2
        assert heard.empty()
    finally:
        mailbox.close()


def test_what_was_skipped_comes_back_too() -> None:
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    mailbox = Mailbox("127.0.0.1", heard.put)
    try:
        work = Watched(3, 3, mailbox.address)
        assert work.may_start(0)
        work.skip(1)
        assert work.may_start(2)
        work.report()
        assert pickle.loads(heard.get(timeout=10)) == (3, [], [1])
    finally:
        mailbox.close()


def test_a_silent_visitor_does_not_keep_others_out_for_ever() -> None:
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    mailbox = Mailbox("127.0.0.1", heard.put)
    try:
        with socket.create_connection(mailbox.address[0]):
            work = Watched(4, 2, mailbox.address)
            assert work.may_start(0)
            work.report()
            assert pickle.loads(heard.get(timeout=30)) == (4, [], [1])
    finally:
        mailbox.close()
