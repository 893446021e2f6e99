"""The code of a run on a worker: what its package holds, and which of its ops go the short way."""

from __future__ import annotations

from typing import NamedTuple

from rayexec.definitions.resource import ResourceDefinition
from rayexec.engine.ray.protocol.request import Header
from rayexec.plan.model import Template
from rayexec.steps.fast_path import PlainOp

__all__ = ["Code", "RunCode", "run_code"]


class Code(NamedTuple):
    """A package, loaded: its templates, the short forms of their ops where they have one, its
    resources.
    """

    templates: tuple[Template, ...]
    plain: tuple[PlainOp | None, ...]
    resources: dict[str, ResourceDefinition]


class RunCode(NamedTuple):
    """A package as one run uses it: ``plain`` has the short forms of the ops whose steps go the
    short way there.
    """

    header: Header
    code: Code
    plain: tuple[PlainOp | None, ...]


def run_code(header: Header, code: Code) -> RunCode:
    """Return the code of the run that a header tells of."""
    # What managers, the run store or the memory has to do with takes the long way, which knows what
    # is yielded.
    long = set() if header.managed is None else {*header.managed.templates}
    if header.value_storage is not None:
        long |= header.durable
    if header.run_cache is not None:
        long |= {place for place, template in enumerate(code.templates) if template.op.cache}
    return RunCode(
        header,
        code,
        tuple([None if place in long else form for place, form in enumerate(code.plain)]),
    )
