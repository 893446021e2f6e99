"""Code of a run on a worker: its package, loaded, and the ops on the fast path."""

from __future__ import annotations

from typing import NamedTuple

from rayexec.definitions.resource import ResourceDefinition
from rayexec.engine.ray.protocol.batch_request import Header
from rayexec.engine.ray.worker.fresh_defaults import FreshDefaults
from rayexec.plan.model import Template
from rayexec.steps.fast_path import PlainOp

__all__ = ["Code", "RunCode", "run_code"]


class Code(NamedTuple):
    """A loaded package: templates, the short form of each op that has one, resources, defaults."""

    templates: tuple[Template, ...]
    plain: tuple[PlainOp | None, ...]
    resources: dict[str, ResourceDefinition]
    defaults: FreshDefaults


class RunCode(NamedTuple):
    """A package as one run uses it; ``plain`` has the short forms of ops on the fast path."""

    header: Header
    code: Code
    plain: tuple[PlainOp | None, ...]


def run_code(header: Header, code: Code) -> RunCode:
    """Return the code of the run with this header."""
    # IO managers, the run store and the cache see each output; only the long path shows them.
    long = set() if header.managed is None else {*header.managed.templates}
    if header.value_storage is not None:
        long |= header.durable
    if header.run_cache is not None:
        long |= {index for index, template in enumerate(code.templates) if template.op.cache}
    plain = tuple([None if index in long else form for index, form in enumerate(code.plain)])
    return RunCode(header, code, plain)
