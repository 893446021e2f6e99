"""Signals while a command prints: an interrupt waits for the line, and comes right behind it."""

from __future__ import annotations

import io
import signal
import threading

import pytest

from rayexec.cli.render.stream_capture import WholeLineConsole
from rayexec.cli.signals import interrupts_held


class Interrupting(io.StringIO):
    """A terminal on which each write is followed by Ctrl-C."""

    def write(self, text: str) -> int:
        """Write the text, then interrupt this process."""
        size = super().write(text)
        signal.raise_signal(signal.SIGINT)
        return size


def test_a_line_that_is_interrupted_is_printed_once() -> None:
    terminal = Interrupting()
    console = WholeLineConsole(file=terminal, width=80)
    for line in ("first", "second"):
        with pytest.raises(KeyboardInterrupt):
            console.print(line)
    assert terminal.getvalue() == "first\nsecond\n"


def test_an_interrupt_comes_at_the_end_of_the_block() -> None:
    done = []

    def block() -> None:
        with interrupts_held():
            signal.raise_signal(signal.SIGINT)
            done.append("the rest of the block")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert done == ["the rest of the block"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_ignored_interrupt_stays_ignored() -> None:
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts_held():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, former)


def test_other_threads_print_as_before() -> None:
    printed = io.StringIO()
    console = WholeLineConsole(file=printed, width=80)
    thread = threading.Thread(target=console.print, args=("from a thread",))
    thread.start()
    thread.join()
    assert printed.getvalue() == "from a thread\n"
