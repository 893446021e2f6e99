"""Fast path of a run: ops that take it on a worker."""

from typing import Any

import pytest

from rayexec import job, op
from rayexec.engine.ray.protocol.batch_request import Header
from rayexec.engine.ray.worker.fresh_defaults import FreshDefaults
from rayexec.engine.ray.worker.run_code import Code, run_code
from rayexec.execute.prepare import prepare
from rayexec.run.cached_outputs import RunCache
from rayexec.steps.fast_path import plain_op
from rayexec.steps.managed_ports import ManagedPorts
from rayexec.store.cache_storage import MemoryCache
from rayexec.store.values import FileValues


@op
def plain() -> int:
    return 1


@op(code_version="1", cache=True)
def cached(value: int) -> int:
    return value


@op
def third(value: int) -> int:
    return value


@job
def three() -> None:
    third(cached(plain()))


@pytest.mark.parametrize(
    ("concerned", "short"),
    [
        ({}, {"plain", "cached", "third"}),
        ({"managed": ManagedPorts({}, frozenset(), frozenset({0}))}, {"cached", "third"}),
        ({"durable": frozenset({2})}, {"plain", "cached", "third"}),  # with nowhere to store it
        (
            {
                "durable": frozenset({2}),
                "value_storage": FileValues(None, "/nowhere", appends=True),
            },
            {"plain", "cached"},
        ),
        ({"run_cache": RunCache(MemoryCache())}, {"plain", "third"}),
    ],
)
def test_what_others_have_to_do_with_goes_the_long_way(
    concerned: dict[str, Any], short: set[str]
) -> None:
    spec = prepare(three)
    templates = spec.plan.templates
    code = Code(templates, tuple(map(plain_op, templates)), {}, FreshDefaults(templates))
    header = Header(spec.info, {}, (), "/", None, frozenset(), None, **concerned)
    forms = zip(code.templates, run_code(header, code).plain, strict=True)
    assert {template.op.name for template, form in forms if form is not None} == short
    assert None not in code.plain
