"""Surface of ``rayexec dev``: its options and their help."""

from __future__ import annotations

from typing import Annotated

import typer

from rayexec.cli.lazy import load
from rayexec.cli.shared_options import FileOption, ModuleOption

__all__ = ["DEV_EPILOG", "dev"]

DEV_EPILOG = (
    "Example: rayexec dev -f my_job.py\n\n"
    "Exit code: 0 it was ended by Ctrl-C or a signal; 1 it could not start, such as on a port that "
    "is taken; 2 a mistake in the options."
)


def dev(
    file: FileOption = None,
    module: ModuleOption = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            metavar="PORT",
            help="The port; not given: 3000, else the next free one. 0 is any free port.",
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            metavar="HOST",
            help="The address to listen on; with any other one than 127.0.0.1, whoever has the "
            "token runs code as you, from other machines too.",
        ),
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="A name beside localhost by which browsers reach this server, such as that of a "
            "proxy. May be repeated.",
        ),
    ] = None,
    base_path: Annotated[
        str,
        typer.Option(
            "--base-path",
            metavar="PATH",
            help="The path of all addresses behind a proxy, such as /user/me/proxy/3000/.",
        ),
    ] = "/",
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Launch, cancel and delete nothing.")
    ] = False,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            metavar="ADDRESS",
            help="The cluster for launched runs, by its address; not given: a Ray of this command "
            "that stays warm.",
        ),
    ] = None,
    home: Annotated[
        str | None,
        typer.Option(
            "--home",
            metavar="LOCATION",
            help="The directory or URI of the run store; not given: RAYEXEC_HOME.",
        ),
    ] = None,
) -> None:
    """Show jobs, runs and the cluster in a browser, and launch jobs there."""
    raise typer.Exit(
        load("rayexec.cli.commands.dev_serve", "serve_pages")(
            file,
            module,
            port=port,
            host=host,
            allowed_hosts=tuple(allow_host or ()),
            base_path=base_path,
            is_read_only=read_only,
            opens_browser=not no_open,
            address=address,
            home=home,
        )
    )
