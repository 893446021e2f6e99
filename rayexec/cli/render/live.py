"""Live view of a run on a terminal: its progress, its running steps, and the waits of others."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rayexec.cli.printable import printable_line, printable_text
from rayexec.cli.render.lines import is_shown, level_of
from rayexec.cli.render.mapped_progress import mapped_lines
from rayexec.cli.render.stream_capture import StreamCapture, redrawn
from rayexec.cli.render.watch import Watch, canceling_line
from rayexec.cli.signals import EndingSignals
from rayexec.events import (
    SUCCESS,
    Attempt,
    DeliveredLines,
    Event,
    EventType,
    LiveLines,
    Record,
    ResourceRecord,
    StepEnd,
    StepsRestored,
    Successes,
    prefixed,
    with_note,
)
from rayexec.execute import RunLog
from rayexec.names import node_path
from rayexec.placement.limits import MAX_CONCURRENT
from rayexec.run.spec import RunSpec
from rayexec.scheduler.wait_reasons import Queue, Waiting
from rayexec.views.live_state import LiveState, RunningStep, Snapshot
from rayexec.views.quantities import duration

__all__ = ["LiveView"]

_REFRESHES_PER_SECOND = 8  # by a thread of rich
_RUNNING_LINES = 8
_RUNNING_LINES_OF_ONE_NODE = 3
_MAPPED_LINES = 6
_WAITING_LINES = 3
_LEAST_HEIGHT_FOR_QUEUES = 12  # lines
_NAMED = 3  # holders and waiting steps on a line
_BAR_WIDTH = 30
_LEVEL_STYLES = {
    logging.DEBUG: "dim",
    logging.INFO: "",
    logging.WARNING: "yellow",
    logging.ERROR: "red",
    logging.CRITICAL: "bold red",
}
_END_STYLES = {
    StepEnd.REUSED: "",
    StepEnd.FAILED: "red",
    StepEnd.SKIPPED: "yellow",
    StepEnd.NOT_RUN: "yellow",
}

# Events with a line of their own above the view; the others are in its counts.
_SHOWN_EVENTS = frozenset(
    {
        EventType.STEP_UP_FOR_RETRY,
        EventType.STEP_FAILURE,
        EventType.HOOK_ERRORED,
        EventType.RESOURCE_INIT_FAILURE,
        EventType.LOG_MESSAGE,
    }
)
_FAILURES = frozenset({EventType.STEP_UP_FOR_RETRY, EventType.STEP_FAILURE})
_FAILURES_SHOWN = 10  # of the steps of one mapped node


class LiveView(Watch):
    """Draws a run on standard error, with prints and logs of ops above; its block ends the view.

    The run's thread records, and a thread of the view takes snapshots and draws them.
    """

    def __init__(self, job_name: str, signals: EndingSignals) -> None:
        super().__init__(signals)
        self._job_name = printable_line(job_name)
        self._began = time.monotonic()
        self._state: LiveState | None = None
        self._delivered = DeliveredLines()
        # By mapped node and by what happened to its steps.
        self._failures_shown: Counter[tuple[str, str]] = Counter()
        self._is_canceling = False
        self._capture = StreamCapture()
        self._live = Live(
            get_renderable=self._draw,
            console=self._capture.console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._stack = ExitStack()

    def __enter__(self) -> LiveView:
        self._stack.enter_context(self._live)
        self._stack.enter_context(
            redrawn(self._live, self._capture.console.turn, _REFRESHES_PER_SECOND)
        )
        self._stack.enter_context(self._capture)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def run_started(self, spec: RunSpec, log: RunLog, waiting: Callable[[], Waiting]) -> None:
        """Begin to count the steps of the run."""
        super().run_started(spec, log, waiting)
        self._state = LiveState(spec.plan, waiting)

    def lines_received(self, lines: LiveLines) -> None:
        """Show lines that a running step logged and printed."""
        self._delivered.add(lines)
        self._show_streams(with_note(lines.stdout), with_note(lines.stderr), lines.step)
        self._show_events(lines)

    def recorded(self, record: Record) -> None:
        """Count the ends of steps, and show the events that are worth a line."""
        if self._state is not None:
            self._state.record(record)
        if isinstance(record, (Successes, StepsRestored)):
            return  # they hold no event with a line
        if isinstance(record, Attempt):
            rest = self._delivered.remainder_of(record)
            self._show_streams(rest.stdout, rest.stderr, None if rest is record else record.step)
            record = rest
            if record.outcome == SUCCESS and not record.logs and not record.hooks:
                return  # as most attempts
        elif isinstance(record, ResourceRecord):
            self._show_streams(record.stdout, record.stderr)
        elif isinstance(record, Event) and record.event_type is EventType.RUN_CANCELING:
            self._is_canceling = True
            self._capture.console.print(Text(canceling_line(record), style="yellow"))
        self._show_events(record)

    def _show_streams(self, stdout: str, stderr: str, step: int | None = None) -> None:
        """Print the output of a worker; with ``step`` each line has the key of the step in front.

        Steps that print while they run do so at the same time, so their lines need the key.
        """
        if step is not None and self.spec is not None:
            key = self.spec.plan.steps[step].key
            stdout, stderr = prefixed(stdout, key), prefixed(stderr, key)
        self._capture.show(stderr, sys.stderr, 2)
        self._capture.show(stdout, sys.stdout, 1)

    def _show_events(self, record: Record | LiveLines) -> None:
        spec, log = self.spec, self.log
        if spec is None or log is None:
            return
        for event in log.expand(record):
            if (
                event.event_type in _SHOWN_EVENTS
                and is_shown(event, spec)
                and not self._is_repetition(event)
            ):
                self._print_event(event)

    def _print_event(self, event: Event) -> None:
        is_retry = event.event_type is EventType.STEP_UP_FOR_RETRY
        level = logging.WARNING if is_retry else level_of(event)
        moment = time.strftime("%H:%M:%S", time.localtime(event.timestamp))
        line = Text(f"{moment} ", style="dim", end="")
        message = event.message
        if event.event_type is EventType.LOG_MESSAGE and event.step_key is not None:
            message = f"{event.step_key}: {message}"
        line.append(printable_text(message), style=_LEVEL_STYLES.get(level, ""))
        self._capture.console.print(line, soft_wrap=True, highlight=False)

    def _is_repetition(self, event: Event) -> bool:
        """Count a failure of a mapped step; return whether its node had enough lines before."""
        data = event.event_specific_data
        if event.event_type in _FAILURES:
            key, effect = event.step_key or "", "failed"
        elif isinstance(data, dict) and "not_run" in data:
            key, effect = data["not_run"], "do not run"
        else:
            return False
        node = node_path(key)
        if node == key:
            return False
        self._failures_shown[node, effect] += 1
        count = self._failures_shown[node, effect]
        if count == _FAILURES_SHOWN + 1:
            message = f"More steps of {node} {effect}; from now on they are only counted."
            self._capture.console.print(Text(message, style="red"), soft_wrap=True)
        return count > _FAILURES_SHOWN

    def _draw(self) -> RenderableType:
        self._capture.fit()
        now = time.monotonic()
        clock = Text(_clock(now - self._began), style="dim")
        head = Table.grid(padding=(0, 2))
        if self._state is None:
            head.add_row(Text(self._job_name, style="bold"), Text("starting…"), clock)
            return head
        snapshot = self._state.snapshot(now)
        bar = ProgressBar(total=max(snapshot.steps, 1), completed=snapshot.over, width=_BAR_WIDTH)
        total = f"{snapshot.steps:,}" if snapshot.is_final else f"at least {snapshot.steps:,}"
        head.add_row(
            Text(self._job_name, style="bold", no_wrap=True, overflow="ellipsis"),
            Text("canceling", style="yellow")
            if self._is_canceling
            else Text("running", style="cyan"),
            bar,
            Text(f"{snapshot.over:,} of {total} steps done", no_wrap=True),
            clock,
        )
        below = [*self._running_lines(snapshot.running), *self._queue_lines(snapshot.queues)]
        room = min(_MAPPED_LINES, self._capture.console.size.height - 4 - len(below))
        return Group(head, _counts_line(snapshot), *mapped_lines(snapshot.mapped, room), *below)

    def _running_lines(self, running: Sequence[RunningStep]) -> list[Text]:
        """Return lines on the steps that run, the longest first."""
        size = self._capture.console.size
        shown = _few_of_each(running)[: max(1, min(_RUNNING_LINES, size.height - 6))]
        widest = min(max((len(step.key) for step in shown), default=0), max(10, size.width - 16))
        lines = []
        for step in shown:
            name = step.key if len(step.key) <= widest else f"{step.key[: widest - 1]}…"
            line = Text(f"    {name:<{widest}}  ", no_wrap=True)
            lines.append(line.append(duration(step.seconds), style="dim"))
        if len(running) > len(shown):
            lines.append(Text(f"    and {len(running) - len(shown):,} more", style="dim"))
        return lines

    def _queue_lines(self, queues: Sequence[Queue]) -> Iterator[Text]:
        """Yield lines on waits of ready steps, limits first."""
        if self._capture.console.size.height < _LEAST_HEIGHT_FOR_QUEUES:
            return
        # A wait for a slot is no news: the lines of the running steps name the holders.
        shown = [queue for queue in queues if queue.reason not in ("CPU", MAX_CONCURRENT)]
        for queue in shown[:_WAITING_LINES]:
            line = Text("    waiting: ", style="yellow", no_wrap=True, overflow="ellipsis")
            line.append(printable_line(queue.reason))
            if queue.most:
                line.append(f" {queue.used:g}/{queue.most:g}")
                line.append(f", held by {self._holders(queue)}")
            line.append(f" · {queue.size:,}: {self._keys(queue.steps, queue.size)}", style="dim")
            yield line

    def _holders(self, queue: Queue) -> str:
        if not queue.holders:
            return "other runs" if queue.others else ""
        holders = self._keys(queue.holders, len(queue.holders))
        return f"{holders} and other runs" if queue.others else holders

    def _keys(self, steps: Sequence[int], count: int) -> str:
        assert self.spec is not None
        keys = [self.spec.plan.steps[step].key for step in steps[:_NAMED]]
        return ", ".join(keys) + (f" and {count - len(keys):,} more" if count > len(keys) else "")


def _counts_line(snapshot: Snapshot) -> Text:
    parts = [(f"{len(snapshot.running):,} running", ""), (f"{snapshot.waiting:,} waiting", "")]
    parts += [
        (f"{snapshot.ends[end]:,} {end}", style)
        for end, style in _END_STYLES.items()
        if snapshot.ends[end]
    ]
    line = Text("  ", no_wrap=True, overflow="ellipsis")
    for index, (text, style) in enumerate(parts):
        line.append(" · " if index else "", style="dim")
        line.append(text, style=style)
    return line


def _few_of_each(running: Sequence[RunningStep]) -> list[RunningStep]:
    """Return only a few steps of each mapped node, since its own line counts all of them."""
    counted: Counter[str] = Counter()
    shown = []
    for step in running:
        counted[step.node] += 1
        if not step.is_mapped or counted[step.node] <= _RUNNING_LINES_OF_ONE_NODE:
            shown.append(step)
    return shown


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
