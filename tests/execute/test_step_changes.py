"""A step's changes of its worker process: directory, variables and import path are undone."""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
from collections.abc import Iterator
from os import chdir as bound_before
from pathlib import Path
from typing import Any

import pytest

from rayexec import (
    Config,
    DynamicOut,
    DynamicOutput,
    Output,
    RetryRequested,
    execute_job,
    job,
    op,
    resource,
    success_hook,
)
from rayexec.definitions.fresh_data import ReadOnlyDict, fresh

NAME = "RAYEXEC_TEST_LEAK"
ADDED = ("/nowhere", "/elsewhere", "/of/the/token")


def state() -> dict[str, Any]:
    """Return the state of this process that a step can change."""
    return {
        "directory": os.getcwd(),
        "variable": os.environ.get(NAME),
        "home": os.environ.get("HOME"),
        # Of all, since other tests may have left some in one worker and none in another.
        "path": [path for path in sys.path if path in ADDED],
    }


def change_all() -> None:
    os.chdir("/usr")
    os.environ[NAME] = "1"
    os.environ.pop("HOME", None)
    os.environb[b"RAYEXEC_TEST_BYTES"] = b"1"
    sys.path.insert(0, "/nowhere")


@op
def first() -> dict[str, Any]:
    return state()


@op
def changes(given: dict[str, Any]) -> dict[str, Any]:
    change_all()
    return {**given, "seen": state()}


@op
def changes_with_context(context: Any, given: dict[str, Any]) -> dict[str, Any]:
    bound_before("/usr")
    change_all()
    sys.path = [*sys.path, "/elsewhere"]
    return {**given, "seen": state()}


@op
def changes_and_yields(given: dict[str, Any]) -> Iterator[Output[dict[str, Any]]]:
    yield Output({**given, "seen": {"variable": "1"}})
    change_all()


@op
def changes_and_fails(given: dict[str, Any]) -> None:
    change_all()
    raise ValueError("and left all that behind")


@op(out=DynamicOut(stream=True))
def changes_and_streams(given: dict[str, Any]) -> Iterator[DynamicOutput[int]]:
    change_all()
    for index in range(2):
        yield DynamicOutput(index, str(index))


@op
def last(given: Any) -> dict[str, Any]:
    return {**state(), "bytes": os.environb.get(b"RAYEXEC_TEST_BYTES")}


def unchanged(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert after.pop("bytes", None) is None
    assert after == before


@pytest.mark.parametrize("change", [changes, changes_with_context, changes_and_yields])
def test_the_next_step_and_the_next_run_see_no_change(ray_session: None, change: Any) -> None:
    @job
    def leaking() -> None:
        last(change(first()))

    for _ in range(2):
        result = execute_job(leaking)
        before = result.output_for_node("first")
        assert result.output_for_node(change.name)["seen"]["variable"] == "1"
        unchanged(before, result.output_for_node("last"))
        assert before["variable"] is None


@pytest.mark.parametrize("change", [changes_and_fails, changes_and_streams])
def test_neither_does_a_run_after_a_failure_or_a_stream(ray_session: None, change: Any) -> None:
    @job
    def leaking() -> None:
        change(first())

    @job
    def later() -> None:
        for index in range(8):
            last.alias(f"last_{index}")(first.alias(f"first_{index}")())

    before = execute_job(leaking, raise_on_error=False).output_for_node("first")
    result = execute_job(later)
    for index in range(8):
        unchanged(before, result.output_for_node(f"last_{index}"))


def test_what_a_module_changes_at_its_import_stays(ray_session: None, tmp_path: Path) -> None:
    (tmp_path / "rayexec_test_plugin.py").write_text(
        "import os, sys\n"
        "os.environ['RAYEXEC_TEST_PLUGIN'] = 'there'\n"
        "sys.path.append('/of/the/plugin')\n"
    )

    @op
    def imports() -> int:
        sys.path.insert(0, str(tmp_path))
        import rayexec_test_plugin  # type: ignore[import-not-found]  # noqa: F401

        os.environ[NAME] = "1"
        return 1

    @op
    def uses(given: int) -> Any:
        plugin = os.environ.get("RAYEXEC_TEST_PLUGIN")
        return "rayexec_test_plugin" in sys.modules, plugin, "/of/the/plugin" in sys.path

    @op
    def looks(given: Any) -> Any:
        return [*given, os.environ.get(NAME)]

    @job
    def plugged() -> None:
        looks(uses(imports()))

    assert execute_job(plugged).output_for_node("looks") == [True, "there", True, None]


def test_what_a_resource_changes_while_it_opens_stays_until_it_closes(ray_session: None) -> None:
    @resource
    def token(context: Any) -> Iterator[str]:
        os.environ["RAYEXEC_TEST_TOKEN"] = "secret"
        sys.path.append("/of/the/token")
        yield "token"
        del os.environ["RAYEXEC_TEST_TOKEN"]
        sys.path.remove("/of/the/token")

    @op(required_resource_keys={"token"})
    def opens(context: Any) -> int:
        os.environ[NAME] = "1"
        return 1

    @op(required_resource_keys={"token"})
    def uses(context: Any, given: int) -> Any:
        return (
            os.environ.get("RAYEXEC_TEST_TOKEN"),
            "/of/the/token" in sys.path,
            os.environ.get(NAME),
        )

    @job(resource_defs={"token": token})
    def opened() -> None:
        uses(opens())

    @job
    def later() -> None:
        first()

    assert execute_job(opened).output_for_node("uses") == ("secret", True, None)
    assert "/of/the/token" not in execute_job(later).output_for_node("first")["path"]


def test_a_directory_that_is_gone_leaves_the_step_alone(ray_session: None, tmp_path: Path) -> None:
    gone = tmp_path / "gone"

    @op
    def enters() -> int:
        gone.mkdir()
        os.chdir(gone)
        gone.rmdir()
        return 1

    @job
    def entering() -> None:
        last(enters())

    assert execute_job(entering).output_for_node("last")["directory"] == os.getcwd()


def test_an_op_sees_its_own_changes_and_the_environment_as_ever(ray_session: None) -> None:
    @op
    def works(given: int) -> Any:
        import subprocess

        os.environ.update({NAME: "a"})
        os.environ |= {NAME: "b"}
        child = subprocess.run(
            ["sh", "-c", f"echo ${NAME}"], check=True, capture_output=True, text=True
        )
        with pytest.raises(KeyError):
            del os.environ["RAYEXEC_TEST_NEVER"]
        with pytest.raises(TypeError):
            os.environ[NAME] = 5  # type: ignore[assignment]
        os.fchdir(os.open("/", os.O_RDONLY))
        return child.stdout, dict(os.environ)[NAME], os.getcwd(), os.environ.copy()[NAME]

    @op
    def one() -> int:
        return 1

    @job
    def working() -> None:
        last(works(one()))

    result = execute_job(working)
    assert result.output_for_node("works") == ("b\n", "b", "/", "b")
    assert result.output_for_node("last")["variable"] is None
    assert result.output_for_node("last")["directory"] == os.getcwd()


class Shown(Config):
    rows: list[int]


def looks_of(context: Any) -> list[str]:
    """Return what a context shows of the run, the op and its config."""
    shown = (context.run_config, context.run.tags, context.run_tags, context.op_tags)
    return [repr({**each}) for each in (*shown, context.op_def.tags, context.op_def.ins)]


def change_shown(context: Any) -> None:
    """Change whatever a context shows, in place, where it allows that."""
    for mapping in (
        context.run_config,
        context.run_config.get("ops", {}),
        context.run.tags,
        context.run_tags,
        context.op_tags,
        context.op_def.tags,
        context.op_def.ins,
        context.op_def.outs,
    ):
        with contextlib.suppress(TypeError):  # definitions refuse it
            mapping["changed"] = "by a step"
            mapping.pop("given", None)
    assert context.run_config["changed"] == context.run.tags["changed"] == "by a step"
    assert context.op_tags["changed"] == "by a step"


@op(tags={"given": "1"}, config_schema={"rows": [int]})
def shows_and_changes(context: Any, given: Any = None) -> list[str]:
    shown = [*looks_of(context), repr(context.op_config)]
    change_shown(context)
    context.op_config["rows"].append(7)
    if context.retry_number == 0 and context.get_tag("retries"):
        raise RetryRequested(1, 0)
    return shown


@op(tags={"given": "1"})
def shows_a_model(context: Any, config: Shown, given: Any = None) -> list[str]:
    shown = [*looks_of(context), repr(config), repr(context.op_config)]
    change_shown(context)
    config.rows.append(7)
    context.op_config["rows"].append(8)
    return shown


@resource(config_schema={"rows": [int]})
def shows_its_config(context: Any) -> Any:
    shown = repr((context.resource_config, context.run.tags, context.run.run_config))
    context.resource_config["rows"].append(7)
    context.run.tags["changed"] = context.run.run_config["changed"] = "by a resource"
    return shown


@op(required_resource_keys={"shown"})
def shows_a_resource(context: Any, given: Any = None) -> str:
    return str(context.resources.shown)


def showing() -> Any:
    """Return a job of chains of steps of one op each, which change what their context shows."""
    rows = {"config": {"rows": [1]}}
    ops = (shows_and_changes, shows_a_model, shows_a_resource)

    @job(
        resource_defs={"shown": shows_its_config.with_scope("step")},
        config={
            "ops": {
                f"{made.name}_{index}": rows
                for made in (shows_and_changes, shows_a_model)
                for index in range(3)
            },
            "resources": {"shown": rows},
        },
        tags={"given": "1"},
    )
    def shown() -> None:
        for made in ops:
            value = made.alias(f"{made.name}_0")()
            for index in (1, 2):
                value = made.alias(f"{made.name}_{index}")(value)

    return shown


def assert_same(result: Any) -> None:
    for made in (shows_and_changes, shows_a_model, shows_a_resource):
        first, *others = [result.output_for_node(f"{made.name}_{index}") for index in range(3)]
        assert others == [first, first]
        assert "changed" not in str(first)


@pytest.mark.parametrize("batches", [True, False])
def test_what_a_context_shows_is_as_ever_for_the_next_step(
    ray_session: None, batches: bool
) -> None:
    config = {"execution": {"config": {"ray": {"batches": batches}}}}
    for tags in ({}, {"retries": "1"}):
        assert_same(execute_job(showing(), config, tags=tags, raise_on_error=True))


def test_what_a_context_shows_is_as_ever_in_process() -> None:
    for tags in ({}, {"retries": "1"}):
        assert_same(showing().execute_in_process(tags=tags))


def test_hooks_change_nothing_for_later_steps() -> None:
    seen = []

    @success_hook
    def changes_shown(context: Any) -> None:
        seen.append(repr((context.run.tags, context.run.run_config)))
        context.run.tags["changed"] = context.run.run_config["changed"] = "by a hook"

    result = showing().with_hooks({changes_shown}).execute_in_process()
    assert_same(result)
    assert len(seen) == 9
    assert len(set(seen)) == 1


def test_a_copy_of_data_is_as_the_data() -> None:
    lasting = object()
    config = Shown(rows=[1])
    shared: list[Any] = [1, (2, [3])]
    data: dict[str, Any] = {
        "a": shared,
        "b": shared,
        "config": config,
        "object": lasting,
        "set": {1},
    }
    copied = fresh(data)
    assert copied == data
    assert copied["a"] is copied["b"]
    assert copied["object"] is lasting
    for path in ("a", "config", "set"):
        assert copied[path] is not data[path]
    assert copied["a"][1][1] is not shared[1][1]
    assert copied["config"].rows is not config.rows
    looped: list[Any] = []
    looped.append(looped)
    assert (inner := fresh(looped))[0] is inner is not looped
    refusing = ReadOnlyDict(a=1)
    assert pickle.loads(pickle.dumps(refusing)) == {**refusing} == {"a": 1}
    with pytest.raises(TypeError, match="make a copy"):
        refusing["a"] = 2
