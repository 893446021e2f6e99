"""The surface of ``rayexec job launch``: its options and their help; as in ``main``, its body is
loaded late.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated

import typer

from rayexec.cli.lazy import load
from rayexec.cli.parsing import Wanted
from rayexec.cli.shared_options import (
    PANEL_RUN,
    AttributeOption,
    ConfigOption,
    DurableOption,
    FileOption,
    JobOption,
    JsonOption,
    MaxConcurrentOption,
    ModuleOption,
    NoCacheOption,
    RunIdOption,
    SelectionOption,
    TagsOption,
)

__all__ = ["LAUNCH_ENDING", "launch"]

LAUNCH_ENDING = (
    "Example: rayexec job launch -f my_job.py --address http://head:8265 --pip pandas==2.2\n\n"
    "Exit code: 0 the run was launched or, with --wait, succeeded; 1 it could not be, or failed; "
    "2 a mistake in what "
    "was given; 130 --wait was ended by Ctrl-C, and the run goes on."
)
_PANEL_CLUSTER = "The cluster"


def launch(
    file: FileOption = None,
    module: ModuleOption = None,
    attribute: AttributeOption = None,
    job: JobOption = None,
    config: ConfigOption = None,
    op_selection: SelectionOption = None,
    tags: TagsOption = None,
    max_concurrent: MaxConcurrentOption = None,
    durable: DurableOption = False,
    no_cache: NoCacheOption = False,
    run_id: RunIdOption = None,
    home: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="Where the run is recorded: a URI, or a directory, which the cluster and this "
            "machine reach by the "
            "same name. Not given: RAYEXEC_HOME where that is a URI, else where the cluster does.",
            rich_help_panel=PANEL_RUN,
        ),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait",
            help="Show what the run prints, and end as it does. Ctrl-C asks whether to cancel it "
            "or to leave it alone.",
            rich_help_panel=PANEL_RUN,
        ),
    ] = False,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The dashboard of the cluster's head, such as http://10.0.0.5:8265. Without it, "
            "the run goes on in "
            "the background on this machine.",
            rich_help_panel=_PANEL_CLUSTER,
        ),
    ] = None,
    working_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The directory that is sent to the cluster; not given: that of the file, or this "
            "one for a module.",
            exists=True,
            file_okay=False,
            rich_help_panel=_PANEL_CLUSTER,
        ),
    ] = None,
    pip: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PACKAGE",
            help="A package to install for the run, as pip names it, such as pandas==2.2. May be "
            "repeated.",
            rich_help_panel=_PANEL_CLUSTER,
        ),
    ] = None,
    runtime_env: Annotated[
        str | None,
        typer.Option(
            metavar="YAML",
            help="The run's Ray runtime environment: a YAML file, or a JSON object.",
            rich_help_panel=_PANEL_CLUSTER,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Start a run that goes on by itself, on a cluster or on this machine, and print its id."""
    launching = importlib.import_module("rayexec.cli.commands.job_launch")
    source = load("rayexec.launch.job_file", "JobSource")(file, module, attribute, job)
    cache = False if no_cache else None
    wanted = Wanted(
        tuple(config or ()),
        tuple(op_selection or ()),
        tags,
        max_concurrent,
        None,
        durable,
        cache,
        run_id,
    )
    code = (
        launching.launch_here(source, wanted, home=home, wait=wait, as_json=as_json)
        if address is None
        else launching.launch_on_cluster(
            source,
            wanted,
            launching.Cluster(address, working_dir, tuple(pip or ()), runtime_env),
            home=home,
            wait=wait,
            as_json=as_json,
        )
    )
    raise typer.Exit(code)
