"""Engines by name: built-in ones load late, and one from outside the package joins by one call."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from rayexec import job, op
from rayexec.engine import registry
from rayexec.engine.base import Engine
from rayexec.engine.inprocess import InProcessEngine
from rayexec.engine.registry import engine_names, make_engine, register_engine
from rayexec.errors import EngineError
from rayexec.execute.prepare import prepare, run
from rayexec.run.spec import RunSpec


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
    result = run(ones, spec_with("counting"))
    assert result.success
    assert result.output_for_node("one") == 1
    assert CountingEngine.batches == 2


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
