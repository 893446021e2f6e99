"""A run resumed with other config: what that config concerns runs again, or it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rayexec import (
    Config,
    ConfigurableIOManager,
    ConfigurableResource,
    DefinitionError,
    DynamicOut,
    DynamicOutput,
    In,
    Out,
    ReexecutionOptions,
    graph,
    job,
    op,
)
from rayexec.store import DirectoryRunStore

RAN: list[str] = []
MENDED: list[bool] = []
EXECUTION = {"execution": {"config": {"in_process": {"durable": True}}}}


class Number(Config):
    n: int = 1


class Scale(ConfigurableResource):
    factor: int = 1


class Base(ConfigurableResource):
    url: str = "a"


class Files(ConfigurableIOManager):
    base: str

    def handle_output(self, context: Any, obj: Any) -> None:
        (Path(self.base) / context.step_key).write_text(str(obj))

    def load_input(self, context: Any) -> int:
        return int((Path(self.base) / context.upstream_output.step_key).read_text())


@op
def load(config: Number) -> int:
    RAN.append("load")
    return config.n


@op
def other() -> int:
    RAN.append("other")
    return 100


@op
def scaled(value: int, scale: Scale) -> int:
    RAN.append("scaled")
    return value * scale.factor


@op(out=Out(io_manager_key="files"))
def written() -> int:
    RAN.append("written")
    return 5


@op
def given(value: int) -> int:
    RAN.append("given")
    return value


@op
def total(values: list[int]) -> int:
    RAN.append("total")
    if not MENDED:
        raise ValueError("not yet")
    return sum(values)


@graph
def inner() -> Any:
    return load()


@job(
    resource_defs={
        "scale": Scale.configure_at_launch(),
        "files": Files.configure_at_launch(),
        "base": Base(),
    }
)
def summing() -> None:
    total([inner(), scaled(other()), written(), given()])


def config(
    directory: Path, *, n: int | None = 1, factor: int = 1, base: str = "one", value: int = 7
) -> dict[str, Any]:
    (directory / base).mkdir(exist_ok=True)
    load_config = {} if n is None else {"config": {"n": n}}
    return {
        **EXECUTION,
        "ops": {
            "inner": {"ops": {"load": load_config}},
            "given": {"inputs": {"value": {"value": value}}},
        },
        "resources": {
            "scale": {"config": {"factor": factor}},
            "files": {"config": {"base": str(directory / base)}},
        },
    }


@pytest.fixture
def store(tmp_path: Path) -> DirectoryRunStore:
    """A store with a run that failed in its last step, which works from now on."""
    MENDED.clear()
    RAN.clear()
    store = DirectoryRunStore(tmp_path / "store")
    assert not summing.execute(config(tmp_path), store=store, run_id="r").success
    assert sorted(RAN) == ["given", "load", "other", "scaled", "total", "written"]
    RAN.clear()
    MENDED.append(True)
    return store


def resume(store: DirectoryRunStore, run_config: Any, *selection: str) -> Any:
    RAN.clear()
    options = (
        ReexecutionOptions("r", selection) if selection else ReexecutionOptions.from_failure("r")
    )
    return summing.execute(run_config, store=store, reexecution_options=options)


def test_the_same_config_runs_nothing_again(store: DirectoryRunStore, tmp_path: Path) -> None:
    for run_config in (None, config(tmp_path), config(tmp_path, n=None)):
        options = ReexecutionOptions.from_failure("r", is_forced=True)
        RAN.clear()
        result = summing.execute(run_config, store=store, reexecution_options=options)
        assert result.output_for_node("total") == 1 + 100 + 5 + 7
        assert RAN == ["total"]


@pytest.mark.parametrize(
    ("changed", "again", "expected"),
    [
        ({"n": 7}, ["load"], 7 + 100 + 5 + 7),
        ({"value": 8}, ["given"], 1 + 100 + 5 + 8),
        ({"n": 2, "value": 3}, ["given", "load"], 2 + 100 + 5 + 3),
    ],
)
def test_what_other_config_concerns_runs_again_and_is_told(
    store: DirectoryRunStore, tmp_path: Path, changed: Any, again: list[str], expected: int
) -> None:
    result = resume(store, config(tmp_path, **changed))
    assert result.output_for_node("total") == expected
    assert sorted(RAN) == sorted([*again, "total"])
    [message] = [e.message for e in result.all_events if "other config" in e.message]
    for name in again:
        assert name in message


@pytest.mark.parametrize(
    ("changed", "node"), [({"factor": 2}, "scaled"), ({"base": "two"}, "written")]
)
@pytest.mark.parametrize("selection", [(), ("total",)])
def test_other_config_of_a_resource_is_told_and_outputs_count(
    store: DirectoryRunStore, tmp_path: Path, changed: Any, node: str, selection: tuple[str, ...]
) -> None:
    run_config = config(tmp_path, **changed)
    if "base" in changed:  # the data have moved
        for file in (tmp_path / "one").iterdir():
            file.rename(tmp_path / "two" / file.name)
    result = resume(store, run_config, *selection)
    assert result.output_for_node("total") == 1 + 100 + 5 + 7
    assert RAN == ["total"]
    [message] = [e.message for e in result.all_events if "other config" in e.message]
    assert message.startswith(f"{node}: finished in run r with other config of a resource")


@pytest.mark.parametrize(("n", "again"), [(1, []), (7, ["load"])])
def test_resources_that_the_earlier_run_got_in_python_count_as_the_same(
    tmp_path: Path, n: int, again: list[str]
) -> None:
    MENDED.clear()
    full = config(tmp_path)
    in_python = {key: each for key, each in full.items() if key != "resources"}
    resources = {"scale": Scale(factor=1), "files": Files(base=str(tmp_path / "one"))}
    assert not summing.execute(in_python, store=tmp_path, run_id="r", resources=resources).success
    MENDED.append(True)
    result = resume(DirectoryRunStore(tmp_path), config(tmp_path, n=n))
    assert result.output_for_node("total") == n + 100 + 5 + 7
    assert sorted(RAN) == sorted([*again, "total"])


@pytest.mark.parametrize("changed", [{"n": 7}, {"value": 8}])
def test_a_selection_that_leaves_it_out_is_refused(
    store: DirectoryRunStore, tmp_path: Path, changed: Any
) -> None:
    with pytest.raises(DefinitionError, match="the selection leaves them out"):
        resume(store, config(tmp_path, **changed), "total")
    assert RAN == []


def test_a_selection_that_has_it_goes_ahead(store: DirectoryRunStore, tmp_path: Path) -> None:
    result = resume(store, config(tmp_path, n=7), "inner.load*")
    assert result.output_for_node("total") == 7 + 100 + 5 + 7
    assert sorted(RAN) == ["load", "total"]


@op(out=DynamicOut(int))
def split(config: Number) -> Any:
    RAN.append("split")
    for index in range(config.n):
        yield DynamicOutput(index, str(index))


@op(ins={"value": In(int)})
def double(value: int, config: Number) -> int:
    RAN.append(f"double {value}")
    return value * 2 * config.n


@job
def fanning() -> None:
    total(split().map(double).collect())


def fan(n: int, times: int) -> dict[str, Any]:
    ops = {"split": {"config": {"n": n}}, "double": {"config": {"n": times}}}
    return {**EXECUTION, "ops": ops}


@pytest.mark.parametrize(
    ("run_config", "again", "expected"),
    [
        (fan(2, 1), ["total"], 2),
        (fan(2, 3), ["double 0", "double 1", "total"], 6),
        (fan(3, 1), ["double 0", "double 1", "double 2", "split", "total"], 6),
    ],
)
def test_mapped_steps_run_again_too(
    tmp_path: Path, run_config: Any, again: list[str], expected: int
) -> None:
    MENDED.clear()
    RAN.clear()
    assert not fanning.execute(fan(2, 1), store=tmp_path, run_id="r").success
    RAN.clear()
    MENDED.append(True)
    options = ReexecutionOptions.from_failure("r")
    result = fanning.execute(run_config, store=tmp_path, reexecution_options=options)
    assert result.output_for_node("total") == expected
    assert sorted(RAN) == again
