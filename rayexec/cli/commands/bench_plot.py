"""Plot of ``rayexec bench``: the makespan over ``max_concurrent``."""

from __future__ import annotations

import os
from pathlib import Path

from rayexec._version import DISTRIBUTION
from rayexec.cli.commands.bench_figures import Machine
from rayexec.cli.commands.bench_measure import MakespanFigures
from rayexec.errors import LoadError

__all__ = ["check_plot", "draw_makespans"]

_SUFFIXES = (".png", ".svg")
_MEASURED, _IDEAL = "#1f5fa8", "#8a8a8a"


def check_plot(path: Path) -> None:
    """Raise LoadError, before any measurement, if a plot cannot go to ``path``."""
    if path.suffix.lower() not in _SUFFIXES:
        raise LoadError(
            f"--plot {path}: the name must end in .png or .svg, for the format of the plot."
        )
    if path.is_dir():
        raise LoadError(f"--plot {path}: that is a directory; give the name of a file.")
    if not path.parent.is_dir():
        raise LoadError(f"--plot {path}: there is no directory {path.parent}; make it first.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise LoadError(f"--plot {path}: it may not be written there.")
    try:
        import matplotlib.figure  # noqa: F401  # to see that it can be
    except ImportError as error:
        raise LoadError(
            f"--plot needs matplotlib, which cannot be imported ({error}): pip install "
            f"'{DISTRIBUTION}[plot]'"
        ) from None


def draw_makespans(figures: MakespanFigures, machine: Machine, path: Path) -> None:
    """Write the plot to ``path``, as PNG or SVG by its suffix; raises OSError on failure."""
    # Without pyplot, which would look for a display.
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    rows = sorted(figures.limits, key=lambda row: row.max_concurrent)
    limits = [row.max_concurrent for row in rows]
    measured, ideal = [row.seconds for row in rows], [row.ideal for row in rows]
    figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.plot(
        limits,
        ideal,
        linestyle="--",
        color=_IDEAL,
        marker=".",
        label="ideal: no schedule is faster",
    )
    axes.plot(limits, measured, color=_MEASURED, marker="o", linewidth=2, label="measured")
    for row in rows:
        axes.annotate(
            f"{row.seconds:.2f} s",
            (row.max_concurrent, row.seconds),
            textcoords="offset points",
            xytext=(6, 8),
            color=_MEASURED,
            fontsize=9,
        )
    # With logarithms on both axes the ideal is a straight line.
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(limits))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7), numticks=20))
    axes.yaxis.set_minor_locator(NullLocator())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.margins(x=0.1, y=0.12)
    axes.set_xlabel("max_concurrent (steps at once)")
    axes.set_ylabel("makespan (s)")
    axes.set_title(
        f"Makespan of {figures.naps:,} naps of {figures.nap * 1e3:g} ms, {machine.size}", loc="left"
    )
    axes.grid(visible=True, color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.text(
        0.995,
        0.005,
        f"rayexec {machine.rayexec}, Ray {machine.ray}, Python {machine.python}",
        ha="right",
        va="bottom",
        fontsize=7,
        color=_IDEAL,
    )
    figure.savefig(path)
