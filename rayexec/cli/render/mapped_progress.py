"""Progress of mapped nodes as lines of a live view."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rayexec.views.mapped_counts import MappedProgress

__all__ = ["mapped_lines"]

_BAR_WIDTH = 16


def mapped_lines(nodes: Sequence[MappedProgress], room: int) -> Iterator[Table]:
    """Yield at most ``room`` lines on mapped nodes; if they are more, on those at work first."""
    if not nodes or room < 1:
        return
    shown = nodes
    if len(nodes) > room:
        ranked = sorted(nodes, key=_rank)[: max(1, room - 1)]
        shown = [node for node in nodes if node in ranked]
    table = Table.grid(padding=(0, 2))
    for node in shown:
        counts = Text(
            f"{node.over:,} of {node.steps:,}" if node.steps else "not known yet", no_wrap=True
        )
        if node.steps and not node.is_complete:
            counts.append(" so far")
        for label, count, style in (
            ("running", node.running, ""),
            ("failed", node.failed, "red"),
        ):
            if count:
                counts.append(" · ", style="dim")
                counts.append(f"{count:,} {label}", style=style)
        name = Text(f"    {node.path}", no_wrap=True, overflow="ellipsis")
        bar = ProgressBar(total=max(node.steps, 1), completed=node.over, width=_BAR_WIDTH)
        table.add_row(name, bar, counts)
    yield table
    if len(nodes) > len(shown) and room > 1:
        rest = Table.grid()
        rest.add_row(Text(f"    and {len(nodes) - len(shown):,} more ops", style="dim"))
        yield rest


def _rank(node: MappedProgress) -> int:
    """Return 0 for a node at work, 1 before its first step is over, 2 after its last."""
    if node.over == node.steps:
        return 2 if node.is_complete else 1
    return 0 if node.over else 1
