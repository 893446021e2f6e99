"""Resources that the parts of a job require, compared with those that it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rayexec.definitions.hooks import HookDefinition
from rayexec.definitions.io_manager import (
    IO_MANAGER,
    loads_inputs,
    manager_key,
    stores_outputs,
)
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.resource import ResourceDefinition

__all__ = ["lacking"]


def lacking(
    ops: Iterable[OpDefinition],
    hooks: Iterable[HookDefinition],
    resources: Mapping[str, ResourceDefinition],
) -> list[str]:
    """Return in words what ops and hooks require and ``resources`` lack.

    The IO manager of the default key is always there.
    """
    problems: list[str] = []
    for op in ops:
        problems += [
            f"op {op.name!r} requires resource {key!r}"
            for key in sorted(op.resource_keys - set(resources))
        ]
        problems += [
            f"output {name!r} of op {op.name!r} requires IO manager {out.io_manager_key!r}"
            for name, out in op.outs.items()
            if out.io_manager_key not in (None, IO_MANAGER, *resources)
        ]
        problems += [
            f"input {name!r} of op {op.name!r} requires input manager {each.input_manager_key!r}"
            for name, each in op.ins.items()
            if each.input_manager_key not in (None, IO_MANAGER, *resources)
        ]
        problems += [
            f"output {name!r} of op {op.name!r} requires an IO manager under {key!r}, which is a "
            f"plain resource: make it by @io_manager, or as a subclass of IOManager"
            for name, out in op.outs.items()
            if (key := manager_key(out, resources) or "") in resources
            and not stores_outputs(resources[key])
        ]
        problems += [
            f"input {name!r} of op {op.name!r} requires an input manager under {key!r}, which is "
            f"a plain resource: make it by @input_manager, or as a subclass of InputManager"
            for name, each in op.ins.items()
            if (key := each.input_manager_key or "") in resources
            and not loads_inputs(resources[key])
        ]
    for hook in hooks:
        problems += [
            f"hook {hook.name!r} requires resource {key!r}"
            for key in sorted(hook.required_resource_keys - set(resources))
        ]
    return list(dict.fromkeys(problems))
