"""Packing of a plan's code for its way to the workers."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from rayexec.definitions.code import home_of, origin_of
from rayexec.definitions.local_modules import MAIN, local_modules
from rayexec.definitions.resource import ResourceDefinition
from rayexec.definitions.sources import Sources
from rayexec.engine.ray.driver.code_parts import code_parts
from rayexec.engine.ray.protocol.package import Package, Stamp
from rayexec.errors import DefinitionError
from rayexec.plan.base import Plan

__all__ = ["make_package", "modules_of"]


def modules_of(plan: Plan, resources: Mapping[str, ResourceDefinition]) -> set[str]:
    """Return the modules that define the functions of a plan."""
    return {fn.__module__ for fn in _functions(plan, resources) if getattr(fn, "__module__", None)}


def _functions(plan: Plan, resources: Mapping[str, ResourceDefinition]) -> Iterable[Any]:
    yield from (template.op.fn for template in plan.templates)
    yield from (hook.fn for template in plan.templates for hook in template.hooks)
    yield from (definition.fn for definition in resources.values())


def make_package(
    plan: Plan, resources: Mapping[str, ResourceDefinition], sources: Sources | None = None
) -> Package:
    """Return the package of ``plan``.

    Raises DefinitionError with the name of each op or resource that cannot be pickled.
    """
    from ray import cloudpickle

    try:
        code: bytes = cloudpickle.dumps((plan.templates, dict(resources)), protocol=5)
    except Exception as error:
        raise DefinitionError(
            _culprits(plan, resources) or f"the job's code cannot be pickled: {error}"
        ) from error
    paths = tuple(dict.fromkeys(map(os.path.abspath, sys.path)))  # "" is the working directory
    homes = {home[:2] for home in map(home_of, _functions(plan, resources)) if home is not None}
    digest = hashlib.sha256(code)
    stamps = tuple(sorted(_stamps(sources)))
    digest.update(repr((paths, sorted(homes, key=str), stamps)).encode())
    if sources is not None:
        digest.update(sources.digest.encode())
        sources = sources._replace(contents=b"")
    return Package(code, paths, tuple(sorted(homes, key=str)), stamps, digest.hexdigest(), sources)


def _stamps(sources: Sources | None) -> Iterable[tuple[str, Stamp]]:
    sent = {}
    if sources is not None:
        sent = {
            os.path.join(root.path, path): file.digest
            for root in sources.roots
            for path, file in root.files.items()
        }
    for name, module in local_modules(without=MAIN).items():
        origin, digest = origin_of(module.file), sent.get(module.file)
        if digest is not None:
            yield name, (origin, digest)
            continue
        with contextlib.suppress(OSError):  # the file has just gone
            status = os.stat(module.file)
            yield name, (origin, status.st_size, status.st_mtime_ns)


def _culprits(plan: Plan, resources: Mapping[str, ResourceDefinition]) -> str:
    from ray import cloudpickle

    problems = []
    for what, part in code_parts(plan, resources):
        try:
            cloudpickle.dumps(part)
        except Exception as error:
            problems.append(f"{what}: {type(error).__name__}: {error}")
    if not problems:
        return ""
    listed = "\n  ".join(problems)
    return (
        f"code that uses what cannot be pickled cannot travel to Ray's workers:\n  "
        f"{listed}\nDefine the op at the top "
        "of a module, or open what it uses in a resource."
    )
