"""Surface of ``rayexec cluster``: its commands, options and their help."""

from __future__ import annotations

from typing import Annotated

import typer

from rayexec.cli.lazy import load
from rayexec.cli.shared_options import JsonOption

__all__ = ["cluster_app"]

cluster_app = typer.Typer(
    help="A Ray cluster on this machine that stays up, so that runs start at once.",
    no_args_is_help=True,
    epilog="Example: rayexec cluster up --limit database=redshift:2",
)


@cluster_app.command(
    epilog="Example: rayexec cluster up --limit database=redshift:2 --pool warehouse:3\n\n"
    "Exit code: 0 the cluster runs; 1 it does not, or another one runs; 2 a mistake in what was "
    "given.",
)
def up(
    # Numbers are strings here, so that one message can name all mistakes.
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]", help="A YAML file that describes the cluster; options win over it."
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE:N",
            help="At most N steps at once with this tag, over all runs on the cluster; KEY:N for "
            "any value of it. May be repeated.",
        ),
    ] = None,
    pool: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:N", help="A pool of N slots for ops that draw from it. May be repeated."
        ),
    ] = None,
    nodes: Annotated[
        str | None,
        typer.Option(metavar="N", help="Start N nodes, all on this machine; not given: 1."),
    ] = None,
    num_cpus: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="The CPUs of each node; not given: this machine's, shared out to the nodes.",
        ),
    ] = None,
    port: Annotated[
        str | None,
        typer.Option(metavar="P", help="The port of the cluster; not given: 6379, or a free one."),
    ] = None,
    dashboard: Annotated[
        bool | None,
        typer.Option(
            "--dashboard/--no-dashboard",
            help="Start Ray's dashboard too; it takes about 1 GB. Not given: no.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Start a Ray cluster on this machine, which stays up and is reached by --address auto."""
    options = {
        "limits": limit,
        "pools": pool,
        "nodes": nodes,
        "num_cpus": num_cpus,
        "port": port,
        "dashboard": dashboard,
    }
    raise typer.Exit(
        load("rayexec.cli.commands.cluster_local", "bring_up")(file, options, as_json=as_json)
    )


@cluster_app.command(epilog="Example: rayexec cluster down")
def down(as_json: JsonOption = False) -> None:
    """Stop the cluster that was started by 'up', and nothing else."""
    raise typer.Exit(load("rayexec.cli.commands.cluster_local", "take_down")(as_json=as_json))


@cluster_app.command(
    epilog="Example: rayexec cluster status\n\nExit code: 0 it runs; 1 it does not, or cannot be "
    "reached.",
)
def status(
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="The Ray cluster to ask, such as 10.0.0.5:6379; not given: the one that was "
            "started by 'up'.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the nodes of a cluster, what of them is free, and how much of each limit is taken."""
    raise typer.Exit(
        load("rayexec.cli.commands.cluster_local", "show_status")(address, as_json=as_json)
    )


@cluster_app.command(
    epilog="Example: rayexec cluster manifest --kind kuberay --limit database=redshift:2 "
    "--workers 2:10 --home s3://bucket/rayexec --image registry.example.com/etl:1 > "
    "cluster.yaml\n\n"
    "Exit code: 0 it was printed; 2 a mistake in what was given.",
)
def manifest(
    # Numbers are strings here, so that one message can name all mistakes.
    kind: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="local, on-prem, aws, kuberay, or kuberay-job for one run of a job.",
        ),
    ],
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE:N",
            help="At most N steps at once with this tag, over all runs on the cluster; KEY:N for "
            "any value of it. May be repeated.",
        ),
    ] = None,
    pool: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:N", help="A pool of N slots for ops that draw from it. May be repeated."
        ),
    ] = None,
    workers: Annotated[
        str | None,
        typer.Option(
            metavar="MIN:MAX", help="How many workers there may be, or N; not given: 1:4."
        ),
    ] = None,
    cpus: Annotated[
        str | None, typer.Option(metavar="N", help="The CPUs of each worker; not given: 4.")
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help="The memory of each pod, such as 16Gi, which is the default."
        ),
    ] = None,
    head_cpus: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="CPUs of the head for steps; it then declares the limits too. Not given: 0, and "
            "a node of their own declares the limits; with --kind on-prem and limits: as --cpus.",
        ),
    ] = None,
    home: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="Where runs are recorded (RAYEXEC_HOME), on all nodes the same: a URI such as "
            "s3://bucket/rayexec, or the path of a shared directory.",
        ),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGE", help="A container image with Ray and rayexec; needed for Kubernetes."
        ),
    ] = None,
    package: Annotated[
        str | None,
        typer.Option(
            metavar="PACKAGE",
            help="What pip installs rayexec from: a requirement, the path of a wheel, or a URL. "
            "Needed where no image has rayexec.",
        ),
    ] = None,
    ray_version: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION", help="The version of Ray; not given: the one that is here."
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The name of the cluster or run; not given: rayexec."),
    ] = None,
    host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST", help="A machine of an on-prem cluster, the head first. May be repeated."
        ),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(metavar="USER", help="Who is logged in on those machines; not given: ray."),
    ] = None,
    region: Annotated[
        str | None, typer.Option(metavar="REGION", help="Where on AWS; not given: us-west-2.")
    ] = None,
    instance_type: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE", help="The machines on AWS, with --cpus each; not given: m5.xlarge."
        ),
    ] = None,
    job_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="The file of the job that kuberay-job runs.")
    ] = None,
) -> None:
    """Print a description of a Ray cluster, as YAML: for Kubernetes, AWS, machines of your own, or
    this one.
    """
    options = {
        "kind": kind,
        "limits": limit,
        "pools": pool,
        "workers": workers,
        "cpus": cpus,
        "memory": memory,
        "head_cpus": head_cpus,
        "home": home,
        "image": image,
        "package": package,
        "ray_version": ray_version,
        "name": name,
        "hosts": host,
        "user": user,
        "region": region,
        "instance_type": instance_type,
        "job_file": job_file,
    }
    raise typer.Exit(load("rayexec.cli.commands.cluster_manifest", "print_manifest")(options))


@cluster_app.command(
    epilog="Example: rayexec cluster doctor --address auto\n\n"
    "Exit code: 0 no problem; 1 a problem; 2 a mistake in what was given.",
)
def doctor(
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="The Ray cluster to look at, such as 10.0.0.5:6379 or auto; not given: the one "
            "that was started by 'up', else this machine alone.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Look for causes of failing runs on a cluster, and give advice on each."""
    raise typer.Exit(
        load("rayexec.cli.commands.cluster_doctor", "examine_from_shell")(address, as_json=as_json)
    )
