"""Resource requests of steps to Ray's scheduler."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rayexec.definitions.ray_options import RayOptions

__all__ = ["Request", "cpu_share", "limit_share", "request_for"]


_UNITS = (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))


@dataclass(frozen=True)
class Request:
    """The resource request of a Ray task."""

    #: CPUs, and fractions of them.
    num_cpus: float
    #: GPUs, and fractions of them.
    num_gpus: float = 0
    #: Bytes of memory, None for no request.
    memory: float | None = None
    #: Amounts of custom resources, including the limits that a cluster declares.
    resources: Mapping[str, float] = field(default_factory=dict)
    #: Amounts of the resources made up for limits of the run; no node declares them.
    tokens: Mapping[str, float] = field(default_factory=dict)
    #: Conditions on labels of the node.
    label_selector: Mapping[str, str] = field(default_factory=dict)
    #: The environment of the worker, None for that of the Ray job.
    runtime_env: Mapping[str, Any] | None = None

    def as_options(self) -> dict[str, Any]:
        """Return the keyword arguments for ``.options()`` of a Ray remote function."""
        options: dict[str, Any] = {"num_cpus": self.num_cpus}
        if self.num_gpus:
            options["num_gpus"] = self.num_gpus
        if self.memory:
            options["memory"] = self.memory
        if self.resources or self.tokens:
            options["resources"] = {**self.resources, **self.tokens}
        if self.label_selector:
            options["label_selector"] = dict(self.label_selector)
        if self.runtime_env:
            options["runtime_env"] = dict(self.runtime_env)
        return options

    def amounts(self) -> dict[str, float]:
        """Return the amounts by Ray's names of resources, without zeros and tokens."""
        amounts = {
            "CPU": self.num_cpus,
            "GPU": self.num_gpus,
            "memory": self.memory or 0,
            **self.resources,
        }
        return {name: amount for name, amount in amounts.items() if amount}

    def __str__(self) -> str:
        parts = [
            f"{_bytes(amount)} {name}" if name == "memory" else f"{amount:g} {name}"
            for name, amount in self.amounts().items()
        ]
        parts += [f"label {name}={value}" for name, value in self.label_selector.items()]
        if self.runtime_env:
            parts.append(f"runtime_env with {', '.join(self.runtime_env)}")
        return ", ".join(parts) or "nothing"


def _bytes(amount: float) -> str:
    for unit, size in _UNITS:
        if amount >= size:
            return f"{amount / size:.3g} {unit}"
    return f"{amount:g} bytes of"


def cpu_share(limit: int | None, cpus: float) -> float:
    """Return the CPUs of a step without a request of its own.

    These are one; or, if ``limit`` steps run at once on fewer ``cpus``, an even share, rounded
    down to Ray's resolution of 1e-4. A limit above the number of CPUs is for waiting steps rather
    than computing ones.
    """
    if limit is None or limit <= cpus:
        return 1.0
    return max(1e-4, math.floor(1e4 * cpus / limit) / 1e4)


def limit_share(limit: int) -> float | None:
    """Return the share of 1.0 that exactly ``limit`` steps can hold at once.

    Ray's resolution of 1e-4 always has such a share up to a limit of 99; otherwise None means that
    there is none.
    """
    units = 10_000 // limit
    return units / 10_000 if units and (limit + 1) * units > 10_000 else None


def request_for(
    options: RayOptions,
    default_cpus: float,
    runtime_env: Mapping[str, Any] | None = None,
    declared: Mapping[str, float] | None = None,
    tokens: Mapping[str, float] | None = None,
) -> Request:
    """Return the request of an op's steps.

    ``default_cpus`` is for ops without a request of their own. ``declared`` and ``tokens`` are
    amounts of resources for limits: of the cluster, and of the run.
    """
    resources = dict(options.resources)
    for name, amount in (declared or {}).items():
        resources[name] = resources.get(name, 0) + amount
    return Request(
        num_cpus=default_cpus if options.num_cpus is None else options.num_cpus,
        num_gpus=options.num_gpus or 0,
        memory=options.memory,
        resources=resources,
        tokens=tokens or {},
        label_selector=options.label_selector,
        runtime_env=_merged(runtime_env or {}, options.runtime_env or {}) or None,
    )


def _merged(outer: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return an op's environment on top of the run's, merged like Ray does.

    Environment variables of both count; of anything else the op's own replaces the run's.
    """
    merged = {**outer, **own}
    if "env_vars" in outer and "env_vars" in own:
        merged["env_vars"] = {**outer["env_vars"], **own["env_vars"]}
    return merged
