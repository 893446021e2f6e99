"""Resources that the steps of a run use, and the order in which they open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rayexec.definitions.io_manager import manager_key
from rayexec.definitions.resource import ResourceDefinition
from rayexec.plan.base import Plan

__all__ = ["used_resources"]


def used_resources(plan: Plan, resources: Mapping[str, ResourceDefinition]) -> set[str]:
    """Return the resource keys of ops, their types and hooks, of IO and input managers.

    The resources that these require, directly or not, are included; missing ones are not.
    """
    used: set[str] = set()
    for template in plan.templates:
        outs, ins = template.op.outs.values(), template.op.ins.values()
        managers = [
            *(manager_key(out, resources) for out in outs),
            *(one.input_manager_key for one in ins),
        ]
        used.update(key for key in managers if key is not None)
        used.update(
            template.op.resource_keys,
            *(hook.required_resource_keys for hook in template.hooks),
        )
    return _with_required(used, resources)


def _with_required(keys: Iterable[str], resources: Mapping[str, ResourceDefinition]) -> set[str]:
    seen: set[str] = set()
    pending = list(keys)
    for key in pending:
        if key not in seen and key in resources:
            seen.add(key)
            pending += resources[key].required_resource_keys
    return seen
