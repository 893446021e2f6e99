"""Engines by name: built-in ones load late, and one from outside the package joins by one call."""

from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import replace
from typing import Any

import pytest

from rayexec import MemoryRunStore, execute_job, job, op
from rayexec.config import engine_traits
from rayexec.config.execution import override_execution
from rayexec.config.execution_settings import ExecutionSettings
from rayexec.engine import registry
from rayexec.engine.base import Engine
from rayexec.engine.inprocess import InProcessEngine
from rayexec.engine.registry import EngineTraits, engine_names, make_engine, register_engine
from rayexec.errors import EngineError
from rayexec.execute.prepare import prepare
from rayexec.execute.result import RunResult
from rayexec.execute.run_to_result import run
from rayexec.run.spec import RunSpec
from rayexec.views.plan_preview import MaxConcurrentPreview, preview
from rayexec.views.step_times import Timings

SEQUENTIAL = EngineTraits(runs_concurrently=False, runs_elsewhere=False)


class CountingEngine(InProcessEngine):
    """An engine of a user, with a name of its own."""

    name = "counting"
    batches = 0

    def submit(self, work: object) -> None:
        type(self).batches += 1
        super().submit(work)  # type: ignore[arg-type]  # a batch


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the registry as it was."""
    monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))
    monkeypatch.setattr(engine_traits, "_TRAITS", dict(engine_traits._TRAITS))


@op
def one() -> int:
    return 1


@job
def ones() -> None:
    one()
    one()


def spec_with(engine: str) -> RunSpec:
    spec = prepare(ones, {"execution": {"config": {"in_process": {}}}})
    execution = replace(spec.config.execution, engine=engine)
    return replace(spec, config=replace(spec.config, execution=execution))


@pytest.mark.parametrize("factory", [CountingEngine, f"{__name__}:CountingEngine"])
def test_an_engine_from_outside_the_package_runs_a_job(restored: None, factory: object) -> None:
    register_engine("counting", factory)  # type: ignore[arg-type]  # mypy joins the two to object
    assert engine_names() == ("in_process", "ray", "counting")
    CountingEngine.batches = sys.modules[CountingEngine.__module__].CountingEngine.batches = 0
    result = run(ones, spec_with("counting"), kind=RunResult)
    assert result.success
    assert result.output_for_node("one") == 1
    assert CountingEngine.batches == 2


@pytest.mark.parametrize(("traits", "most"), [(None, 3), (SEQUENTIAL, 1)])
def test_max_concurrent_is_for_engines_that_run_steps_at_once(
    restored: None, traits: EngineTraits | None, most: int
) -> None:
    register_engine("counting", CountingEngine, traits=traits)
    settings = ExecutionSettings(engine="in_process", max_concurrent=1)
    named = override_execution(settings, engine="counting", max_concurrent=3)
    assert (named.engine, named.max_concurrent) == ("counting", most)
    in_config = replace(settings, engine="counting")
    assert override_execution(in_config, max_concurrent=3).max_concurrent == most


@pytest.mark.parametrize(("traits", "calls"), [(None, 2), (SEQUENTIAL, 1)])
def test_an_engine_with_workers_caches_in_shared_stores_alone(
    restored: None, traits: EngineTraits | None, calls: int
) -> None:
    called = []

    @op(cache=True, code_version="1")
    def count() -> int:
        called.append(1)
        return 1

    @job
    def counting() -> None:
        count()

    register_engine("counting", CountingEngine, traits=traits)
    store = MemoryRunStore()
    for _ in range(2):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            assert execute_job(counting, engine="counting", store=store).success
        messages = [str(warning.message) for warning in warned]
        assert ["Engine counting's workers cannot reach" in text for text in messages] == (
            [True] if traits is None else []
        )
    assert len(called) == calls


def test_a_preview_follows_the_traits_of_an_engine(restored: None) -> None:
    def preview_with(traits: EngineTraits | None, max_concurrent: int | None = None) -> Any:
        register_engine("counting", CountingEngine, traits=traits)
        spec = spec_with("counting")
        execution = replace(spec.config.execution, max_concurrent=max_concurrent)
        spec = replace(spec, config=replace(spec.config, execution=execution))
        return preview(spec, None, Timings([1.0, 1.0], "a file"))

    alone = preview_with(SEQUENTIAL)
    assert alone.execution.where == "in this process, one step after another"
    assert alone.execution.max_concurrent == MaxConcurrentPreview(1, "the process itself")
    assert alone.makespan_bound.seconds == 2.0
    wide = preview_with(None)
    assert wide.execution.where == "by the registered engine 'counting'"
    assert wide.execution.max_concurrent.limit is None
    assert wide.makespan_bound.seconds == 1.0
    assert preview_with(None, 1).makespan_bound.seconds == 2.0
    assert not wide.execution.is_on_ray
    on_ray = preview_with(EngineTraits(uses_ray=True))
    assert on_ray.execution.is_on_ray
    assert on_ray.execution.engine == "counting"
    assert on_ray.steps[0].request is not None


def test_an_unknown_engine_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(EngineError, match=r"no engine is called 'rai'; there are in_process, ray"):
        make_engine("rai", spec_with("rai"))


def test_an_engine_has_to_do_what_every_engine_does() -> None:
    class Lazy(Engine):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Lazy()  # type: ignore[abstract]


def test_a_run_in_this_process_imports_no_ray() -> None:
    code = """
import sys
from rayexec import job, op

@op
def one():
    return 1

@job
def ones():
    one()

assert ones.execute_in_process().success
print([name for name in sys.modules if name == "ray" or name.startswith("rayexec.engine.ray")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
