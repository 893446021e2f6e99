"""Draw a run's attempts by worker and time, as the SVG file on the README's first screen.

Run the example on four slots, export its attempts, and draw them:

    rayexec cluster up --num-cpus 4
    rayexec job execute -f docs/examples/flights_by_origin.py --address auto   # a few times
    rayexec run export RUN --parquet run.parquet
    python docs/draw_run.py run.parquet docs/images/run.svg
"""

from __future__ import annotations

import sys
from collections import Counter
from html import escape
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

WIDTH = 960
LEFT = 86
RIGHT = 24
TOP = 58
ROW = 30
BAR = 22
FOOT = 76
SHORTEST_PX = 0.6  # a bar of less would not be seen
COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2", "#9d755d")
FONT = "font-family='ui-monospace, SFMono-Regular, Menlo, Consolas, monospace'"


def text(x: float, y: float, label: str, *, size: int = 13, fill: str = "#57606a") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' {FONT} font-size='{size}' fill='{fill}'>{label}</text>"


def ticks(seconds: float) -> list[float]:
    """Return round times to mark on the axis, about six of them."""
    step = next(s for s in (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0) if seconds / s <= 7)
    return [step * index for index in range(int(seconds / step) + 1)]


def bars(attempts: list[dict[str, Any]], start: float, scale: float) -> list[tuple[float, float]]:
    """Return left edge and width of attempts of one op and worker, neighbours drawn as one."""
    spans: list[tuple[float, float]] = []
    for attempt in sorted(attempts, key=lambda row: row["started"]):
        left = (attempt["started"].timestamp() - start) * scale
        width = max(SHORTEST_PX, attempt["seconds"] * scale)
        if spans and left - sum(spans[-1]) < SHORTEST_PX / 2:
            spans[-1] = (spans[-1][0], max(spans[-1][1], left + width - spans[-1][0]))
        else:
            spans.append((left, width))
    return spans


def draw(attempts: list[dict[str, Any]]) -> str:
    """Return the picture of a run's attempts as SVG."""
    start = min(row["started"].timestamp() for row in attempts)
    seconds = max(row["ended"].timestamp() for row in attempts) - start
    scale = (WIDTH - LEFT - RIGHT) / seconds
    workers = list(dict.fromkeys(row["pid"] for row in attempts))
    ops = Counter(row["op"] for row in attempts)
    colours = dict(zip(ops, COLOURS, strict=False))
    bottom = TOP + ROW * len(workers)
    height = bottom + FOOT
    title = f"{attempts[0]['job']}: {len(attempts):,} steps in {seconds:.2f} s"
    lines = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' role='img'>",
        f"<title>{escape(title)}</title>",
        f"<rect width='{WIDTH}' height='{height}' rx='8' fill='#ffffff' stroke='#d0d7de'/>",
        text(20, 32, escape(title), size=16, fill="#1f2328"),
    ]
    for time in ticks(seconds):
        x = LEFT + time * scale
        lines.append(f"<path d='M{x:.1f} {TOP - 6}V{bottom}' stroke='#eaeef2'/>")
        lines.append(text(x - 10, bottom + 20, f"{time:g} s", size=12))
    for index, worker in enumerate(workers):
        y = TOP + index * ROW
        lines.append(text(12, y + 15, f"worker {index + 1}", size=12))
        for op, colour in colours.items():
            own = [row for row in attempts if row["pid"] == worker and row["op"] == op]
            path = "".join(
                f"M{LEFT + left:.1f} {y}h{width:.1f}v{BAR}h-{width:.1f}z"
                for left, width in bars(own, start, scale)
            )
            if path:
                lines.append(f"<path fill='{colour}' d='{path}'/>")
    x = float(LEFT)
    for op, colour in colours.items():
        label = f"{op} ({ops[op]:,})"
        lines.append(
            f"<rect x='{x:.1f}' y='{bottom + 40}' width='12' height='12' fill='{colour}'/>"
        )
        lines.append(text(x + 18, bottom + 51, escape(label)))
        x += 42 + 8 * len(label)
    return "\n".join([*lines, "</svg>\n"])


if __name__ == "__main__":
    table, picture = map(Path, sys.argv[1:])
    picture.write_text(draw(pq.read_table(table).to_pylist()), encoding="utf-8")
