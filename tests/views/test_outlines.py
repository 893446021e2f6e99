"""Outlines of jobs and configs, and the preview of a run, as JSON-able data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from rayexec import Config, DynamicOut, DynamicOutput, graph, job, op
from rayexec.cli.render.plan_lines import plan_lines
from rayexec.execute import prepare
from rayexec.placement.capacity import Capacity
from rayexec.views.config_outline import outline_of_config
from rayexec.views.job_outline import list_job, outline_of_job
from rayexec.views.plan_preview import PlanPreview, preview
from rayexec.views.step_times import Timings


class Size(Config):
    n: int


@op(out=DynamicOut())
def split(config: Size) -> Iterator[DynamicOutput[int]]:
    yield DynamicOutput(config.n, "k")


@op(tags={"db": "red"})
def inc(value: int, step: int = 2) -> int:
    return value + step


@graph
def part(value: Any) -> Any:
    return inc(value)


@job
def fan() -> None:
    """Fans out."""
    split().map(part)


CONFIG: dict[str, Any] = {"ops": {"split": {"config": {"n": 3}}}}
IN_PROCESS = {**CONFIG, "execution": {"config": {"in_process": {}}}}


def test_a_listing_has_the_ops_in_order() -> None:
    assert list_job("made", fan).to_dict() == {
        "name": "fan",
        "attribute": "made",
        "description": "Fans out.",
        "ops": ["split", "part.inc"],
    }


def test_an_outline_has_the_nodes_of_nodes() -> None:
    outline = outline_of_job(fan, None)
    [source, inner] = outline.nodes
    assert (source.kind, inner.kind) == ("op", "graph")
    assert inner.nodes is not None
    document = outline.to_dict()
    assert document == json.loads(json.dumps(document))
    [mapped] = document["nodes"][1]["nodes"]
    assert mapped["for_each"] == ["split.result"]
    assert mapped["inputs"][1] == {"name": "step", "type": "int", "from": None, "default": "2"}
    assert document["nodes"][1]["outputs"] == [
        {"name": "result", "type": None, "from": "inc.result", "dynamic": False}
    ]


def test_an_outline_of_a_selection_has_no_other_nodes() -> None:
    assert [node.name for node in outline_of_job(fan, ["split"]).nodes] == ["split"]


def test_a_config_outline_can_be_used_as_it_is() -> None:
    outline = outline_of_config(fan, None, only_required=True)
    assert outline.problems == []
    assert outline.document["ops"]["split"] == {"config": {"n": 0}}
    prepare(fan, outline.document)


def test_a_preview_is_data() -> None:
    spec = prepare(fan, CONFIG)
    run = preview(spec, Capacity((), False, groups=None), None)
    document = run.to_dict()
    assert list(document) == [field.name for field in fields(PlanPreview)]
    assert document == json.loads(json.dumps(document, default=str))
    assert (document["steps_at_least"], document["is_exact"]) == (1, False)
    mapped = document["steps"][1]
    assert (mapped["key"], mapped["after"]) == ("part.inc[?]", ["split"])
    assert document["execution"]["processes"] == "warm workers, used again"


def test_a_preview_in_process_has_neither_requests_nor_capacity() -> None:
    spec = prepare(fan, IN_PROCESS)
    run = preview(spec, None, Timings([2.0], "a file"))
    assert [step.request for step in run.steps] == [None, None]
    assert not {"capacity", "processes"} & run.to_dict()["execution"].keys()
    assert run.makespan_bound is not None
    assert (run.makespan_bound.seconds, run.timings) == (2.0, "a file")


def test_a_preview_names_a_registered_engine() -> None:
    spec = prepare(fan, {**CONFIG, "execution": {"config": {"ray": {"engine": "other"}}}})
    run = preview(spec, None, None)
    assert (run.execution.engine, run.execution.is_on_ray) == ("other", False)
    lines = list(plan_lines(run))
    assert "engine          other: by the registered engine 'other'" in lines
    assert "max_concurrent  unknown; held by the engine itself" in lines
