"""Options that commands about jobs share, with their help."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "PANEL_JOB",
    "PANEL_RUN",
    "AttributeOption",
    "ConfigOption",
    "FileOption",
    "JobOption",
    "JsonOption",
    "ModuleOption",
    "RunIdOption",
    "SelectionOption",
    "TagsOption",
    "no_nan",
]


def no_nan(value: float | None) -> float | None:
    """Return the value of an option; raises BadParameter for NaN.

    Bounds refuse it with the latest versions of typer only.
    """
    if value is not None and math.isnan(value):
        raise typer.BadParameter("nan is not a number; 'inf' means without end.")
    return value


PANEL_JOB = "The job"
PANEL_RUN = "The run"

FileOption = Annotated[
    Path | None,
    typer.Option(
        "--file",
        "-f",
        metavar="FILE",
        help="The Python file that holds the job; the modules beside it can be imported.",
        exists=True,
        dir_okay=False,
        readable=True,
        rich_help_panel=PANEL_JOB,
    ),
]
ModuleOption = Annotated[
    str | None,
    typer.Option(
        "--module",
        "-m",
        metavar="MODULE",
        help="The module that holds the job, by its dotted name; it is looked for in this "
        "directory first.",
        rich_help_panel=PANEL_JOB,
    ),
]
AttributeOption = Annotated[
    str | None,
    typer.Option(
        "--attribute",
        "-a",
        metavar="ATTR",
        help="The attribute that is the job or has it: a job, a graph, a Definitions, a "
        "repository, or a function that returns one of them.",
        rich_help_panel=PANEL_JOB,
    ),
]
JobOption = Annotated[
    str | None,
    typer.Option(
        "--job",
        "-j",
        metavar="JOB",
        help="The name of the job, where there are several.",
        rich_help_panel=PANEL_JOB,
    ),
]
ConfigOption = Annotated[
    list[str] | None,
    typer.Option(
        "--config",
        "-c",
        metavar="YAML",
        help="A file of run config, or a quoted pattern such as 'conf/*.yaml'. May be repeated: "
        "the files are merged key by key, and a later file wins.",
        rich_help_panel=PANEL_RUN,
    ),
]
SelectionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--op-selection",
        "-o",
        metavar="SELECTION",
        help="Run only these ops: names with '*' or '+' for what is around them, such as "
        "'*report' or 'load+,clean'. Separated by commas, or repeated.",
        rich_help_panel=PANEL_RUN,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, for programs.")
]
TagsOption = Annotated[
    str | None,
    typer.Option(
        "--tags",
        metavar="JSON",
        help="Tags of the run, as a JSON object.",
        rich_help_panel=PANEL_RUN,
    ),
]
RunIdOption = Annotated[
    str | None,
    typer.Option(
        "--run-id",
        metavar="ID",
        help="The id of the run, which no other run has: letters, digits, dots, underscores and "
        "hyphens.",
        rich_help_panel=PANEL_RUN,
    ),
]
