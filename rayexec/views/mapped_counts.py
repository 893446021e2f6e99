"""How far a run is with the steps of each mapped node, whose number grows while it goes on."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rayexec.names import node_path
from rayexec.plan import Plan
from rayexec.plan.model import MappedNode

__all__ = ["Tally", "mapped_lines"]

_BAR_WIDTH = 16


class Tally:
    """Counts the steps of mapped nodes: those that are known, are over, and failed, by the path of
    the node.

    The run's thread says what ended; the one that draws catches up by ``look``, and it alone reads
    the counts.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._seen = len(plan.steps)
        # The keys of those first steps whose dynamic outputs are mapped over, and of those that are
        # over.
        self._causes = {
            plan.steps[each.node].key for node in plan.mapped_nodes for each in node.fan_outs[:1]
        }
        self._causes_over: set[str] = set()
        self._ended: deque[tuple[Iterable[int | str], bool]] = deque()
        self.known: Counter[str] = Counter()
        self.over: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        # The nodes of which all steps are known.
        self.complete: set[str] = set()

    @property
    def is_complete(self) -> bool:
        """Whether no more steps will come."""
        return len(self.complete) == len(self._plan.mapped_nodes)

    def ended(self, steps: Iterable[int | str], *, failed: bool = False) -> None:
        """Take in that steps are over, by index or by key."""
        if self._plan.mapped_nodes:
            self._ended.append((steps, failed))

    def look(self) -> None:
        """Catch up with the run."""
        plan = self._plan
        # What ended goes first: by then the plan has the steps that came of it.
        for _ in range(len(self._ended)):
            self._count(*self._ended.popleft())
        until = len(plan.steps)
        self.known.update([node_path(plan.steps[index].key) for index in range(self._seen, until)])
        self._seen = until
        for node in plan.mapped_nodes:  # each stands behind what it is mapped over
            cause = node.fan_outs[-1].node
            above = (plan.steps[cause] if cause >= 0 else plan.mapped_nodes[-1 - cause]).key
            if cause >= 0:
                is_complete = above in self._causes_over
            else:
                is_complete = above in self.complete and self.over[above] >= self.known[above]
            if is_complete:
                self.complete.add(node.key)

    def _count(self, steps: Iterable[int | str], failed: bool) -> None:
        for each in steps:
            key = each if isinstance(each, str) else self._plan.steps[each].key
            node = node_path(key)
            if node != key:
                self.over[node] += 1
                self.failed[node] += failed
            elif key in self._causes:
                self._causes_over.add(key)


def mapped_lines(
    plan: Plan, tally: Tally, running: Mapping[str, int], room: int
) -> Iterator[Table]:
    """Yield what there is to show of mapped nodes in at most ``room`` lines: those at work before
    the others.
    """
    nodes = [
        node
        for node in plan.mapped_nodes
        if tally.known[node.key] or node.key not in tally.complete
    ]
    if not nodes or room < 1:
        return
    shown = nodes
    if len(nodes) > room:
        ranked = sorted(nodes, key=lambda node: _rank(node, tally))[: max(1, room - 1)]
        shown = [node for node in nodes if node in ranked]
    table = Table.grid(padding=(0, 2))
    for node in shown:
        over, known = tally.over[node.key], tally.known[node.key]
        words = Text(f"{over:,} of {known:,}" if known else "not known yet", no_wrap=True)
        if known and node.key not in tally.complete:
            words.append(" so far")
        more = {"running": running.get(node.key, 0), "failed": tally.failed[node.key]}
        for what, count in more.items():
            if count:
                words.append(" · ", style="dim")
                words.append(f"{count:,} {what}", style="red" if what == "failed" else "")
        name = Text(f"    {node.key}", no_wrap=True, overflow="ellipsis")
        table.add_row(
            name, ProgressBar(total=max(known, 1), completed=over, width=_BAR_WIDTH), words
        )
    yield table
    if len(nodes) > len(shown) and room > 1:
        left = Table.grid()
        left.add_row(Text(f"    and {len(nodes) - len(shown):,} more ops", style="dim"))
        yield left


def _rank(node: MappedNode, tally: Tally) -> int:
    """Return 0 for a node that is at work, 1 for one that has not begun, 2 for one that is done."""
    over, known = tally.over[node.key], tally.known[node.key]
    if over == known:
        return 2 if node.key in tally.complete else 1
    return 0 if over else 1
