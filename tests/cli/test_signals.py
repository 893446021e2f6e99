"""Prints of a command that an interrupt or a thread breaks in upon: no line is lost or doubled."""

from __future__ import annotations

import io
import itertools
import signal
import sys
import threading

import pytest
from cli_process import screen
from rich.console import Group
from rich.live import Live

from rayexec.cli.render.stream_capture import WholeLineConsole, redrawn
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


def test_a_view_that_is_redrawn_erases_no_line_above() -> None:
    heights = itertools.cycle((4, 1))
    terminal = io.StringIO()
    console = WholeLineConsole(
        file=terminal, width=80, height=30, force_terminal=True, force_interactive=True
    )
    live = Live(
        get_renderable=lambda: Group(*["view"] * next(heights)),
        console=console,
        auto_refresh=False,
        transient=True,
    )
    lines = [f"line {index}" for index in range(1_000)]
    former = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # so that the threads meet at every point
    try:
        with live, redrawn(live, console.turn, times_per_second=10_000):
            for line in lines:
                console.print(line, highlight=False)
    finally:
        sys.setswitchinterval(former)
    assert [line for line in screen(terminal.getvalue()) if line.startswith("line")] == lines
