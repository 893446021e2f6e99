"""Parameters of a generated cluster manifest, with all mistakes in them at once."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from rayexec._version import DISTRIBUTION, __version__
from rayexec.cluster.declared import read_spec
from rayexec.definitions.concurrency import limit_resource, pool_resource
from rayexec.errors import Problem

__all__ = ["KINDS", "ManifestSpec", "read_manifest_spec"]

_ALL = frozenset({"limits", "pools", "workers", "cpus"})
_INSTALLED = _ALL | {"head_cpus", "home", "image", "name", "ray_version", "package"}
_KUBERAY = _INSTALLED | {"memory"}
# Parameters by kind.
KINDS: Mapping[str, frozenset[str]] = {
    "local": _ALL,
    "on-prem": _INSTALLED | {"hosts", "user"},
    "aws": _INSTALLED | {"region", "instance_type"},
    "kuberay": _KUBERAY,
    "kuberay-job": _KUBERAY | {"job_file"},
}
_LARGEST_COUNT = 10_000
_CPUS = 4
_TOKENS_SINCE = (2, 52)
# Names of resources are in double quotes of a shell, inside single quotes of YAML.
_UNSAFE = re.compile(r"[\"'\\$`!\x00-\x1f\x7f]")
_PATTERNS = {
    "name": (
        r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?",
        "at most 40 lower-case letters, digits and hyphens",
    ),
    "memory": (r"[1-9]\d{0,6}(Mi|Gi|Ti)", "a number and its unit, as in 16Gi"),
    "home": (
        r"(/|[a-z][a-z0-9]*://)[\w@%+=:,./-]*",
        "an absolute path or a URI, as in s3://bucket/rayexec",
    ),
    "image": (r"[\w@:./-]+", "the name of a container image"),
    "ray_version": (r"\d+\.\d+\.\d+", "a version such as 2.60.0"),
    "package": (
        r"[\w./~]([\w@%+=:,./~<>!#?&\[\] -]*[\w@%+=,./~\]-])?",
        "what pip installs rayexec from: a requirement, the path of a wheel, or a URL",
    ),
    "user": (r"[\w.-]+", "the name of a user"),
    "region": (r"[a-z0-9-]+", "a region such as us-west-2"),
    "instance_type": (r"[\w.-]+", "an instance type such as m5.xlarge"),
}


@dataclass(frozen=True, slots=True)
class ManifestSpec:
    """A cluster to describe: ``fewest`` to ``most`` workers with ``cpus`` and ``memory`` each.

    A head with ``head_cpus`` 0 runs no steps. With ``cpus`` 0, a cluster of this machine has all
    CPUs of it. ``package`` is for pip: a requirement, the path of a wheel, or a URL; None for an
    image that has rayexec. ``job`` is the name and the text of a job file.
    """

    kind: str
    limits: Mapping[str, int] = field(default_factory=dict)
    pools: Mapping[str, int] = field(default_factory=dict)
    fewest: int = 1
    most: int = 4
    cpus: int = _CPUS
    memory: str = "16Gi"
    head_cpus: int = 0
    home: str = ""
    image: str | None = None
    name: str = "rayexec"
    ray_version: str = ""
    package: str | None = None
    hosts: tuple[str, ...] = ()
    user: str = "ray"
    region: str = "us-west-2"
    instance_type: str = "m5.xlarge"
    job: tuple[str, str] | None = None

    @property
    def needs_package(self) -> bool:
        """Whether nodes install rayexec when they start."""
        return self.kind in ("on-prem", "aws") and (
            self.image is None or self.image.startswith("rayproject/ray")
        )

    @property
    def wheel(self) -> str | None:
        """The path of the package, where it is a wheel and no URL."""
        package = self.package or ""
        return package if package.endswith(".whl") and "://" not in package else None

    def resources(self) -> dict[str, int]:
        """Return the custom resources of the limits and pools."""
        limits = {limit_resource(name): limit for name, limit in self.limits.items()}
        return limits | {pool_resource(name): slots for name, slots in self.pools.items()}


def read_manifest_spec(
    options: Mapping[str, Any], job: tuple[str, str] | None = None
) -> tuple[ManifestSpec, list[Problem]]:
    """Return the requested cluster and all problems; with problems, the spec means nothing.

    ``options`` have the names of ManifestSpec's fields, and strings as typed for values.
    ``limits``, ``pools`` and ``hosts`` are lists, and ``workers`` is ``N`` or ``MIN:MAX``. None
    stands for a missing option.
    """
    kind = str(options.get("kind"))
    if kind not in KINDS:
        return ManifestSpec("local"), [
            Problem(("--kind",), f"give one of {', '.join(KINDS)}, got {kind!r}.")
        ]
    given = {
        name: value
        for name, value in options.items()
        if value not in (None, [], ()) and name != "kind"
    }
    problems = [
        Problem((_option(name),), f"--kind {kind} has no such setting.")
        for name in given
        if name not in KINDS[kind]
    ]
    declared, limit_problems = read_spec(
        {}, {name: given.get(name) for name in ("limits", "pools")}
    )
    problems += limit_problems
    fields: dict[str, Any] = {"limits": declared.limits, "pools": declared.pools, "job": job}
    for name, (pattern, form) in _PATTERNS.items():
        if name in given:
            fields[name] = given[name]
            if not re.fullmatch(pattern, given[name], re.ASCII):
                problems.append(Problem((_option(name),), f"give {form}, got {given[name]!r}."))
    for name, least in (("cpus", 1), ("head_cpus", 0)):
        if name in given:
            fields[name] = _whole_number(given[name], least, _option(name), problems)
    if "workers" in given:
        fields["fewest"], fields["most"] = _workers(given["workers"], problems)
    fields["hosts"] = tuple(given.get("hosts", ()))
    fields.setdefault("ray_version", metadata.version("ray"))
    if not problems:
        _add_by_kind(kind, given, fields)
    spec = ManifestSpec(kind, **fields)
    return spec, problems or list(_unfit(spec, given))


def _add_by_kind(kind: str, given: Mapping[str, Any], fields: dict[str, Any]) -> None:
    if kind == "local":
        fields.setdefault("cpus", 0)
        if "workers" not in given:
            fields["fewest"] = fields["most"] = 1
    if kind == "on-prem":
        # The launcher's local provider starts all workers alike, so that only the head can have a
        # limit.
        if (fields["limits"] or fields["pools"]) and "head_cpus" not in given:
            fields["head_cpus"] = fields.get("cpus", _CPUS)
        if not fields["hosts"]:
            count = fields.get("most", 2)
            fields["hosts"] = (
                "head.example.com",
                *(f"worker-{index + 1}.example.com" for index in range(count)),
            )
        fields["fewest"] = fields["most"] = len(fields["hosts"]) - 1
    if kind == "aws":
        fields.setdefault(
            "image", f"rayproject/ray:{fields['ray_version']}-py3{sys.version_info.minor}"
        )


def _unfit(spec: ManifestSpec, given: Mapping[str, Any]) -> list[Problem]:
    """Return the conflicts among valid parameters."""
    problems = []
    if spec.kind == "local":
        if spec.fewest != spec.most:
            problems.append(
                Problem(("--workers",), "a cluster of this machine does not grow; give one number.")
            )
    elif not spec.home:
        problems.append(
            Problem(
                ("--home",),
                "give the directory or URI of the run store, which all nodes reach (RAYEXEC_HOME).",
            )
        )
    if spec.kind.startswith("kuberay") and spec.image is None:
        problems.append(
            Problem(("--image",), "give a container image in which Ray and rayexec are installed.")
        )
    problems += _unfit_package(spec)
    if spec.kind == "kuberay-job" and spec.job is None:
        problems.append(Problem(("--job-file",), "give the file of the job to run."))
    if spec.kind == "on-prem":
        problems += _unfit_hosts(spec, given)
    if spec.kind != "local" and tuple(map(int, spec.ray_version.split(".")[:2])) < _TOKENS_SINCE:
        problems.append(
            Problem(
                ("--ray-version",), "Ray asks for a token from version 2.52.0 on; take a later one."
            )
        )
    if spec.kind != "local":
        problems += [
            Problem(
                (f"--{'limit' if name.startswith('limit:') else 'pool'} {name.partition(':')[2]}",),
                mistake,
            )
            for name in spec.resources()
            if (mistake := _unsafe(name))
        ]
    return problems


def _unfit_package(spec: ManifestSpec) -> Iterator[Problem]:
    if spec.package is None:
        if spec.needs_package:
            yield Problem(
                ("--package",),
                "say what the nodes install rayexec from, which nobody can guess: a requirement "
                f"such as {DISTRIBUTION}=={__version__}, the path of a wheel, or a URL; or give an "
                "--image that has rayexec.",
            )
        return
    if re.sub(r"[-_.]+", "-", _distribution(spec.package)).lower() == "rayexec":
        yield Problem(
            ("--package",),
            f"the distribution rayexec is a project of somebody else. This one is {DISTRIBUTION}.",
        )


def _distribution(package: str) -> str:
    """Return the name of a requirement, or of the wheel at a path or URL; else ''."""
    path = re.split("[?#]", package)[0]
    if path.endswith(".whl"):
        return path.rpartition("/")[2].partition("-")[0]
    requirement = re.fullmatch(r"([\w.-]+) *([\[=<>!~@].*)?", package, re.ASCII)
    return requirement[1] if requirement else ""


def _unfit_hosts(spec: ManifestSpec, given: Mapping[str, Any]) -> list[Problem]:
    problems = []
    if given.get("hosts") and "workers" in given:
        problems.append(
            Problem(("--workers",), "the hosts say how many there are; leave one of the two out.")
        )
    if len(set(spec.hosts)) < len(spec.hosts):
        problems.append(Problem(("--host",), "a host is given twice."))
    if invalid := [host for host in spec.hosts if not re.fullmatch(r"[\w.:-]+", host)]:
        problems.append(Problem(("--host",), f"give a host name or address, got {invalid[0]!r}."))
    if ":" in given.get("workers", ""):
        problems.append(
            Problem(("--workers",), "a cluster of given machines does not grow; give one number.")
        )
    if spec.resources() and spec.head_cpus == 0:
        problems.append(
            Problem(
                ("--head-cpus",),
                "the launcher starts all workers on given machines with one command, so that a "
                "limit declared there would be multiplied by them. It is declared on the head, "
                "which needs CPUs for the steps that count in it: give it at least 1.",
            )
        )
    return problems


def _unsafe(resource: str) -> str | None:
    unsafe = _UNSAFE.search(resource)
    if unsafe is None:
        return None
    return (
        f"the shell that starts Ray on a node would not take {unsafe[0]!r} as it is. Use another "
        "tag or value."
    )


def _option(name: str) -> str:
    return f"--{name.removesuffix('s') if name in ('limits', 'pools', 'hosts') else name}".replace(
        "_", "-"
    )


def _whole_number(text: str, least: int, option: str, problems: list[Problem]) -> int:
    amount = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else -1
    if not least <= amount <= _LARGEST_COUNT:
        problems.append(
            Problem(
                (option,), f"give a whole number from {least} to {_LARGEST_COUNT}, got {text!r}."
            )
        )
    return amount


def _workers(text: str, problems: list[Problem]) -> tuple[int, int]:
    fewest, colon, most = text.partition(":")
    before = len(problems)
    first = _whole_number(fewest, 0, "--workers", problems)
    last = _whole_number(most, 1, "--workers", problems) if colon else max(first, 1)
    if len(problems) == before and (first > last or (not colon and first == 0)):
        problems.append(
            Problem(("--workers",), f"give N, or MIN:MAX with MIN at most MAX, got {text!r}.")
        )
    return first, last
