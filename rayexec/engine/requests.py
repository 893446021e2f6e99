"""What the steps of a run ask of Ray, and which limits Ray holds by it."""

from __future__ import annotations

from rayexec.plan.capacity import Capacity
from rayexec.plan.request import Request, cpu_share, limit_share, request_for
from rayexec.run.spec import RunSpec

__all__ = ["requests_for", "token"]


def requests_for(spec: RunSpec, capacity: Capacity) -> tuple[Request, ...]:
    """Return the resource request of each template's steps."""
    settings = spec.config.execution
    limit = settings.max_concurrent or capacity.slots
    share = 1.0 if capacity.slots is None else cpu_share(limit, capacity.cpus)
    held = None if limit is None else token(limit, capacity)
    name = f"{_implicit_prefix()}rayexec-{spec.info.run_id}"
    tokens = {} if held is None else {name: held}
    return tuple(
        request_for(template.op.ray_options, share, settings.runtime_env, tokens) for template in spec.plan.templates
    )


def token(limit: int, capacity: Capacity) -> float | None:
    """Return the share of an implicit resource that makes Ray hold ``limit``, None where the driver must hold it."""
    if len(capacity.nodes) != 1 or not capacity.is_own or _implicit_prefix() is None:
        return None
    return limit_share(limit)


def _implicit_prefix() -> str | None:
    """Return the prefix of resources that every node has without declaring them, None where this Ray knows none."""
    import ray

    return getattr(getattr(ray, "_raylet", None), "IMPLICIT_RESOURCE_PREFIX", None)
