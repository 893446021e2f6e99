"""Lasting thread: one for the process, whatever callers do."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from rayexec.cluster.lasting_thread import begin_in_lasting_thread


def _thread_of_work() -> int:
    idents: list[int] = []
    begin_in_lasting_thread(lambda: idents.append(threading.get_ident())).wait()
    return idents[0]


def test_one_thread_does_the_work_of_all_and_outlives_them() -> None:
    idents: list[int] = []
    thread = threading.Thread(target=lambda: idents.append(_thread_of_work()))
    thread.start()
    thread.join()
    assert idents == [_thread_of_work()]
    assert idents[0] in {thread.ident for thread in threading.enumerate()}


def test_an_error_of_the_work_is_the_callers() -> None:
    def fail() -> None:
        raise ValueError("not today")

    work = begin_in_lasting_thread(fail)
    with pytest.raises(ValueError, match="not today"):
        work.wait()
    assert _thread_of_work()


def test_an_interrupt_ends_the_wait_and_not_the_work() -> None:
    begun, go = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go.wait(20)

    under_way = begin_in_lasting_thread(work)

    def interrupt() -> None:
        begun.wait(20)
        time.sleep(0.05)  # on its way into the wait, or in it
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        under_way.wait()
    assert under_way.is_under_way
    go.set()
    under_way.wait()
    assert not under_way.is_under_way


def test_work_can_be_given_up_and_the_thread_goes_on() -> None:
    before = _thread_of_work()
    begun = threading.Event()

    def endless() -> None:
        begun.set()
        while True:
            time.sleep(0.001)

    work = begin_in_lasting_thread(endless)
    assert begun.wait(20)
    work.give_up()
    with pytest.raises(BaseException, match=r"^$"):
        work.wait()
    work.give_up()  # over: nothing
    assert _thread_of_work() == before
