"""The live view of a run on a terminal: how far it is, what runs now, and what the rest waits for."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import ExitStack
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rayexec.cli.render.above_live import Above
from rayexec.cli.render.lines import is_shown, level_of
from rayexec.cli.render.watch import CANCELING, Watch
from rayexec.cli.signals import EndingSignals
from rayexec.events import (
    FAILURE,
    SUCCESS,
    Attempt,
    DeliveredLines,
    Event,
    EventType,
    LiveLines,
    ResourceRecord,
    StepsRestored,
    Successes,
    prefixed,
    with_note,
)
from rayexec.execute import Record, RunLog
from rayexec.names import node_path
from rayexec.placement.limits import MAX_CONCURRENT
from rayexec.run.spec import RunSpec
from rayexec.scheduler.wait_reasons import Queue, Waiting
from rayexec.views.mapped_counts import Tally, mapped_lines
from rayexec.views.run_summary import duration

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["LiveView"]

_REFRESH = 8  # times a second, by a thread of rich
_RUNNING_LINES = 8
_OF_ONE_NODE = 3  # of those, steps of one mapped node
_MAPPED_LINES = 6
_WAITING_LINES = 3
_ROOM_FOR_QUEUES = 12  # lines of a terminal below which there are none for them
_NAMED = 3  # holders and waiting steps that a line names
_BAR_WIDTH = 30
_STYLES = {10: "dim", 20: "", 30: "yellow", 40: "red", 50: "bold red"}  # by logging level

# What is worth a line of its own above the view; the rest is in the counts.
_TOLD = frozenset(
    {
        EventType.STEP_UP_FOR_RETRY,
        EventType.STEP_FAILURE,
        EventType.HOOK_ERRORED,
        EventType.RESOURCE_INIT_FAILURE,
        EventType.LOG_MESSAGE,
    }
)
_FAILURES = frozenset({EventType.STEP_UP_FOR_RETRY, EventType.STEP_FAILURE})
_FAILURES_TOLD = 10  # of one mapped node's steps


class LiveView(Watch):
    """Draws a run on standard error, with what ops print and log above it; the view goes when the
    block ends.

    The run's thread counts, a thread of rich draws and asks the run who waits; what they share is
    read and replaced in single operations.
    """

    def __init__(self, job_name: str, signals: EndingSignals) -> None:
        super().__init__(signals)
        self._job_name = job_name
        self._began = time.monotonic()
        self._tally: Tally | None = None
        self._waiting: Callable[[], Waiting] | None = None
        self._running: dict[int, float] = {}  # since when
        self._ended: Counter[str] = Counter()
        self._delivered = DeliveredLines()
        self._told: Counter[tuple[str, str]] = (
            Counter()
        )  # by mapped node and what happened to its steps
        self._state = "starting"
        self._above = Above()
        self._live = Live(
            get_renderable=self._draw,
            console=self._above.console,
            refresh_per_second=_REFRESH,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._stack = ExitStack()

    def __enter__(self) -> LiveView:
        self._stack.enter_context(self._live)
        self._stack.enter_context(self._above)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def run_started(self, spec: RunSpec, log: RunLog, waiting: Callable[[], Waiting]) -> None:
        """Take the steps that are known so far, and whom to ask which of them run."""
        super().run_started(spec, log, waiting)
        self._waiting = waiting
        self._tally = Tally(spec.plan)
        self._state = "running"

    def lines_received(self, lines: LiveLines) -> None:
        """Show what a step that goes on has logged and printed."""
        self._delivered.add(lines)
        self._show(with_note(lines.stdout), with_note(lines.stderr), lines.step)
        self._tell(lines)

    def _show(self, stdout: str, stderr: str, step: int | None = None) -> None:
        """Print what was printed elsewhere, after the key of its step where others print at the
        same time.
        """
        if step is not None and self.spec is not None:
            key = self.spec.plan.steps[step].key
            stdout, stderr = prefixed(stdout, key), prefixed(stderr, key)
        self._above.show(stderr, sys.stderr, 2)
        self._above.show(stdout, sys.stdout, 1)

    def recorded(self, record: Record) -> None:
        """Count what ended, and tell what is worth a line."""
        if isinstance(record, Successes):  # quiet ones, which have nothing to tell
            self._end("succeeded", record.steps)
            return
        if isinstance(record, StepsRestored):
            self._end("reused", record.steps)
            return
        if isinstance(record, Attempt):
            if record.outcome in _OUTCOMES:
                self._end(
                    _OUTCOMES[record.outcome] if record.reused is None else "reused", (record.step,)
                )
            rest = self._delivered.remainder_of(record)
            self._show(rest.stdout, rest.stderr, None if rest is record else record.step)
            record = rest
            if record.outcome == SUCCESS and not record.logs and not record.hooks:
                return  # a quiet success, as most are, has nothing to tell
        elif isinstance(record, ResourceRecord):
            self._show(record.stdout, record.stderr)
        elif isinstance(record, Event):
            if record.event_type is EventType.STEP_SKIPPED:
                self._end("skipped", (record.step_key or "",))
            elif (
                isinstance(record.event_specific_data, dict)
                and "not_run" in record.event_specific_data
            ):
                self._end("not run", (record.event_specific_data["not_run"],))
            elif record.event_type is EventType.RUN_CANCELING:
                self._state = "canceling"
                self._above.console.print(Text(CANCELING, style="yellow"))
        self._tell(record)

    def _end(self, how: str, steps: Sequence[int | str]) -> None:
        self._ended[how] += len(steps)
        if self._tally is not None:
            self._tally.ended(steps, failed=how == "failed")

    def _tell(self, record: Record | LiveLines) -> None:
        spec, log = self.spec, self.log
        if spec is None or log is None:
            return
        for event in log.expand(record):
            if (
                event.event_type in _TOLD
                and is_shown(event, spec)
                and not self._is_more_of_the_same(event)
            ):
                level = 30 if event.event_type is EventType.STEP_UP_FOR_RETRY else level_of(event)
                moment = time.strftime("%H:%M:%S", time.localtime(event.timestamp))
                line = Text(f"{moment} ", style="dim", end="")
                message = event.message
                if event.event_type is EventType.LOG_MESSAGE and event.step_key is not None:
                    message = f"{event.step_key}: {message}"
                line.append(message, style=_STYLES.get(level, ""))
                self._above.console.print(line, soft_wrap=True, highlight=False)

    def _is_more_of_the_same(self, event: Event) -> bool:
        """Whether so many steps of a mapped node failed, or did not run, that another's line would
        say nothing new.
        """
        data = event.event_specific_data
        if event.event_type in _FAILURES:
            key, what = event.step_key or "", "failed"
        elif isinstance(data, dict) and "not_run" in data:
            key, what = data["not_run"], "do not run"
        else:
            return False
        node = node_path(key)
        if node == key:
            return False
        self._told[node, what] += 1
        if self._told[node, what] == _FAILURES_TOLD + 1:
            words = f"More steps of {node} {what}; from now on they are only counted."
            self._above.console.print(Text(words, style="red"), soft_wrap=True)
        return self._told[node, what] > _FAILURES_TOLD

    def _draw(self) -> RenderableType:
        self._above.fit()
        now = time.monotonic()
        clock = Text(_clock(now - self._began), style="dim")
        spec, tally = self.spec, self._tally
        head = Table.grid(padding=(0, 2))
        if spec is None or tally is None:
            head.add_row(Text(self._job_name, style="bold"), Text("starting…"), clock)
            return head
        state = self._waiting() if self._waiting is not None else Waiting((), ())
        self._running = {step: self._running.get(step, now) for step in state.running}
        running = list(self._running.items())
        over = self._ended.total()
        tally.look()
        total = len(spec.plan.steps)  # which grows where there are dynamic outputs
        bar = ProgressBar(total=max(total, 1), completed=over, width=_BAR_WIDTH)
        word = Text(self._state, style="yellow" if self._state == "canceling" else "cyan")
        known = f"{total:,}" if tally.is_complete else f"at least {total:,}"
        counts = Text(f"{over:,} of {known} steps done", no_wrap=True)
        head.add_row(
            Text(self._job_name, style="bold", no_wrap=True, overflow="ellipsis"),
            word,
            bar,
            counts,
            clock,
        )
        below = [*self._ages(running, now), *self._queues(state.queues)]
        room = min(_MAPPED_LINES, self._above.console.size.height - 4 - len(below))
        mapped = mapped_lines(spec.plan, tally, Counter(self._nodes(running)), room)
        return Group(head, self._counts(len(running), total - over - len(running)), *mapped, *below)

    def _nodes(self, running: list[tuple[int, float]]) -> list[str]:
        assert self.spec is not None
        return [node_path(self.spec.plan.steps[step].key) for step, _ in running]

    def _counts(self, running: int, waiting: int) -> Text:
        parts = [(f"{running:,} running", ""), (f"{max(0, waiting):,} waiting", "")]
        styles = {"reused": "", "failed": "red", "skipped": "yellow", "not run": "yellow"}
        parts += [
            (f"{self._ended[kind]:,} {kind}", style)
            for kind, style in styles.items()
            if self._ended[kind]
        ]
        line = Text("  ", no_wrap=True, overflow="ellipsis")
        for number, (words, style) in enumerate(parts):
            line.append(" · " if number else "", style="dim")
            line.append(words, style=style)
        return line

    def _ages(self, running: list[tuple[int, float]], now: float) -> list[Text]:
        """Return lines on the steps that run, the longest first."""
        spec = self.spec
        if spec is None:
            return []
        room = max(1, min(_RUNNING_LINES, self._above.console.size.height - 6))
        shown = _few_of_each(
            running, self._nodes(running), {node.key for node in spec.plan.mapped_nodes}
        )[:room]
        keys = [spec.plan.steps[step].key for step, _ in shown]
        widest = min(max(map(len, keys), default=0), max(10, self._above.console.size.width - 16))
        lines = []
        for key, (_, since) in zip(keys, shown, strict=True):
            name = key if len(key) <= widest else f"{key[: widest - 1]}…"
            line = Text(f"    {name:<{widest}}  ", no_wrap=True)
            lines.append(line.append(duration(now - since), style="dim"))
        if len(running) > len(shown):
            lines.append(Text(f"    and {len(running) - len(shown):,} more", style="dim"))
        return lines

    def _queues(self, queues: Sequence[Queue]) -> Iterator[Text]:
        """Yield lines on what ready steps wait for, limits first."""
        spec = self.spec
        # That the slots are taken is no news: the lines above say by what.
        shown = [each for each in queues if each.reason not in ("CPU", MAX_CONCURRENT)]
        if spec is None or self._above.console.size.height < _ROOM_FOR_QUEUES:
            return
        for queue in shown[:_WAITING_LINES]:
            line = Text("    waiting: ", style="yellow", no_wrap=True, overflow="ellipsis")
            line.append(queue.reason)
            if queue.most:
                line.append(f" {queue.used:g}/{queue.most:g}")
                line.append(f", held by {self._holders(queue)}")
            line.append(f" · {queue.size:,}: {self._named(queue.steps, queue.size)}", style="dim")
            yield line

    def _holders(self, queue: Queue) -> str:
        if not queue.others:
            return self._named(queue.holders, len(queue.holders))
        return (
            f"{self._named(queue.holders, len(queue.holders))} and other runs"
            if queue.holders
            else "other runs"
        )

    def _named(self, steps: Sequence[int], count: int) -> str:
        assert self.spec is not None
        keys = [self.spec.plan.steps[step].key for step in steps[:_NAMED]]
        return ", ".join(keys) + (f" and {count - len(keys):,} more" if count > len(keys) else "")


def _few_of_each(
    running: list[tuple[int, float]], nodes: Sequence[str], mapped: Set[str]
) -> list[tuple[int, float]]:
    """Leave out what would be too many steps of one mapped node, which its own line counts."""
    counted: Counter[str] = Counter()
    found = []
    for each, node in zip(running, nodes, strict=True):
        counted[node] += 1
        if node not in mapped or counted[node] <= _OF_ONE_NODE:
            found.append(each)
    return found


_OUTCOMES = {SUCCESS: "succeeded", FAILURE: "failed"}


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
