"""Cluster files for Ray's launcher (``ray up``) and for ``rayexec cluster up``."""

from __future__ import annotations

import json
import posixpath
import shlex
from collections.abc import Iterator, Mapping

from rayexec.cluster.manifest_spec import ManifestSpec

__all__ = ["launcher_manifest", "local_manifest"]

_PORT = 6379


def launcher_manifest(spec: ManifestSpec) -> str:
    """Return the cluster file of a spec of kind ``aws`` or ``on-prem``."""
    is_aws = spec.kind == "aws"
    lines = [
        *_top(spec),
        *(_aws(spec) if is_aws else _machines(spec)),
        *_docker(spec),
        *_setup(spec),
        *_start(spec),
    ]
    return "\n".join(lines) + "\n"


def _top(spec: ManifestSpec) -> Iterator[str]:
    where = "on AWS" if spec.kind == "aws" else "on machines that are there, reached by SSH"
    yield f"# A Ray cluster {where}, for Ray's cluster launcher:"
    yield "#   ray get-auth-token --generate          # once: writes ~/.ray/auth_token"
    yield "#   ray up THIS_FILE"
    yield "#   ray exec THIS_FILE 'rayexec cluster doctor --address auto'"
    yield "#   ray rsync-up THIS_FILE my_job.py '~/my_job.py'"
    yield "#   ray exec THIS_FILE 'rayexec job execute -f ~/my_job.py --address auto'"
    yield f"cluster_name: {spec.name}"
    yield ""


def _machines(spec: ManifestSpec) -> Iterator[str]:
    head, *workers = spec.hosts
    yield "provider:"
    yield "  type: local"
    yield f"  head_ip: {json.dumps(head)}"
    yield f"  worker_ips: {json.dumps(workers)}"
    yield "auth:"
    yield f"  ssh_user: {spec.user}"
    yield "  ssh_private_key: ~/.ssh/id_rsa"
    yield "# All workers, always."
    yield f"min_workers: {len(workers)}"
    yield f"max_workers: {len(workers)}"
    yield ""


def _aws(spec: ManifestSpec) -> Iterator[str]:
    has_limits = bool(spec.resources()) and not spec.head_cpus
    yield "provider:"
    yield "  type: aws"
    yield f"  region: {spec.region}"
    yield "auth:"
    yield "  ssh_user: ubuntu"
    yield f"max_workers: {spec.most + has_limits}"
    yield "idle_timeout_minutes: 5"
    yield ""
    yield (
        "# What workers write to the bucket, they may by an instance profile, which their "
        "node_config then names:"
    )
    yield "#   IamInstanceProfile: {Arn: 'arn:aws:iam::ACCOUNT:instance-profile/NAME'}"
    yield "head_node_type: head"
    yield "available_node_types:"
    yield "  head:"
    if spec.head_cpus:
        yield (
            "    # Steps run here too. The limits that all runs share are custom resources of "
            "this one node."
        )
        yield from _node(spec, {"CPU": spec.head_cpus} | spec.resources())
    else:
        yield "    # No steps here: what they use up must not take the cluster's head along."
        yield from _node(spec, {"CPU": 0})
    if has_limits:
        yield "  limits:"
        yield (
            "    # One node, for ever one, that declares the limits all runs share: on several "
            "nodes, each would have"
        )
        yield "    # as many. Ray runs the steps that count in them here."
        yield from _node(spec, {"CPU": spec.cpus} | spec.resources(), 1, 1)
    yield "  workers:"
    yield "    # All other steps; added and removed as steps wait."
    yield from _node(spec, {"CPU": spec.cpus}, spec.fewest, spec.most)
    yield ""


def _node(
    spec: ManifestSpec,
    resources: Mapping[str, int],
    fewest: int | None = None,
    most: int | None = None,
) -> Iterator[str]:
    if fewest is not None:
        yield f"    min_workers: {fewest}"
        yield f"    max_workers: {most}"
    yield f"    resources: {json.dumps(resources)}"
    yield "    node_config:"
    yield f"      InstanceType: {spec.instance_type}"
    yield "      BlockDeviceMappings:"
    yield "        - DeviceName: /dev/sda1"
    yield "          Ebs: {VolumeSize: 200, VolumeType: gp3}"


def _docker(spec: ManifestSpec) -> Iterator[str]:
    if spec.image is None:
        return
    mount = [f"-v {spec.home}:{spec.home}"] if spec.home.startswith("/") else []
    yield "# All nodes run this image, so that Python, Ray and packages are the same everywhere."
    yield "docker:"
    yield f"  image: {json.dumps(spec.image)}"
    yield "  container_name: ray"
    yield f"  run_options: {json.dumps(['--ulimit nofile=65536:65536', *mount])}"
    yield ""


def _setup(spec: ManifestSpec) -> Iterator[str]:
    yield "# The token without which nobody is let in."
    yield "file_mounts:"
    yield "  ~/.ray/auth_token: ~/.ray/auth_token"
    if spec.needs_package and spec.wheel is not None:
        yield "  # The wheel of rayexec, from the machine where `ray up` runs."
        yield f"  {json.dumps(_remote(spec.wheel))}: {json.dumps(spec.wheel)}"
    yield ""
    yield "# On each node, the head included."
    yield "setup_commands:"
    if spec.image is None:
        yield "  # The same Python on all machines, and what the ops import as well."
        ray = f"'ray[default]=={spec.ray_version}'"
        yield f"  - {json.dumps(f'python3 -m pip install {ray} {_for_pip(spec)}')}"
    elif spec.needs_package:
        yield "  # And what the ops import. An image that has it starts faster."
        yield f"  - {json.dumps(f'pip install {_for_pip(spec)}')}"
    yield (
        "  # Where runs are recorded, and values kept; all nodes reach it. This line is for "
        "drivers on the head."
    )
    yield f"  - echo 'export RAYEXEC_HOME={spec.home}' >> ~/.bashrc"
    if spec.kind == "aws":
        yield "head_setup_commands:"
        yield "  - pip install boto3          # by which the head starts workers"
    yield ""


def _remote(wheel: str) -> str:
    return f"~/{posixpath.basename(wheel)}"


def _for_pip(spec: ManifestSpec) -> str:
    """Return the package as an argument in a shell of a node."""
    assert spec.package is not None
    package = spec.package if spec.wheel is None else _remote(spec.wheel)
    # The shell puts the home directory for a tilde that stands outside of quotes.
    home, path = ("~/", package[2:]) if package.startswith("~/") else ("", package)
    return home + shlex.quote(path)


def _start(spec: ManifestSpec) -> Iterator[str]:
    before = f"export RAY_AUTH_MODE=token RAYEXEC_HOME={spec.home}; ulimit -n 65536 || true; "
    options = (
        f"--head --port={_PORT} --autoscaling-config=~/ray_bootstrap_config.yaml "
        "--dashboard-host=127.0.0.1"
    )
    if spec.kind == "on-prem":
        options += f" --num-cpus={spec.head_cpus}"
        if spec.resources():
            yield (
                "# The limits that all runs share are custom resources of the head alone: on "
                "several nodes, each"
            )
            yield (
                "# would have as many. Ray runs the steps that count in them there, for which it "
                "has CPUs."
            )
            quoted = json.dumps(spec.resources()).replace('"', '\\"')
            options += f' --resources="{quoted}"'
        elif not spec.head_cpus:
            yield "# The head runs no steps: what they use up must not take it along."
    yield "head_start_ray_commands:"
    yield "  - ray stop"
    yield f"  - '{before}ray start {options}'"
    yield "worker_start_ray_commands:"
    yield "  - ray stop"
    cpus = f" --num-cpus={spec.cpus}" if spec.kind == "on-prem" else ""
    yield f"  - '{before}ray start --address=$RAY_HEAD_IP:{_PORT}{cpus}'"


def local_manifest(spec: ManifestSpec) -> str:
    """Return a file for ``rayexec cluster up``."""
    return "\n".join(_local(spec)) + "\n"


def _local(spec: ManifestSpec) -> Iterator[str]:
    yield "# A cluster on this machine: rayexec cluster up THIS_FILE"
    yield "# Every key may be left out, and options on the command line win over it."
    yield ""
    yield (
        "# Ray nodes, all on this machine. Several are of use only to try out what a cluster of "
        "several does."
    )
    yield f"nodes: {spec.most}"
    yield ""
    yield "# CPUs of each node. Left out: what this process may use, shared out to the nodes."
    yield f"num_cpus: {spec.cpus}" if spec.cpus else "# num_cpus: 8"
    yield ""
    yield "# The port of the cluster. Left out: 6379 where it is free, else any."
    yield "# port: 6379"
    yield ""
    yield "# Ray's dashboard, on this machine alone. It takes about 1 GB."
    yield "dashboard: false"
    if spec.limits:
        yield ""
        yield (
            "# At most so many steps at once, over all runs on the cluster: those with this tag "
            "and value, or with"
        )
        yield "# this tag at all."
        yield "limits:"
        yield from _mapping(spec.limits)
    if spec.pools:
        yield ""
        yield "# Slots that ops draw from by name, over all runs on the cluster."
        yield "pools:"
        yield from _mapping(spec.pools)


def _mapping(limits: Mapping[str, int]) -> Iterator[str]:
    for name, limit in limits.items():
        yield f"  {json.dumps(name)}: {limit}"
