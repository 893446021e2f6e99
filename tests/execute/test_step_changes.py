"""A step's changes of its worker process: directory, variables and import path are undone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from os import chdir as bound_before
from pathlib import Path
from typing import Any

import pytest

from rayexec import DynamicOut, DynamicOutput, Output, execute_job, job, op, resource

NAME = "RAYEXEC_TEST_LEAK"


def state() -> dict[str, Any]:
    """Return the state of this process that a step can change."""
    return {
        "directory": os.getcwd(),
        "variable": os.environ.get(NAME),
        "home": os.environ.get("HOME"),
        "path": list(sys.path),
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
