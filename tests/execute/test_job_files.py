"""Jobs in files: imported by path here, and with their neighbours on the workers."""

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rayexec.definitions.code import import_file

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Write]:
    """Write a file below a directory of the test's own; forget what was imported from there
    afterwards.
    """
    modules, path = set(sys.modules), list(sys.path)

    def write_file(name: str, text: str) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return file

    yield write_file
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


JOB = """
    from rayexec import Config, job, op
    import {helper}

    LOADED = []

    class Refused(Exception):
        pass

    class Loading(Config):
        by: int = 1

    @op
    def start() -> {helper}.Number:
        return {helper}.Number({start})

    @op
    def grow(number: {helper}.Number, config: Loading) -> int:
        return {helper}.grown(number, config.by)

    @op
    def refuse() -> None:
        raise Refused("no")

    @op
    def count() -> int:
        LOADED.append(1)
        return len(LOADED)

    @job
    def growing() -> None:
        grow(start())

    @job
    def refusing() -> None:
        refuse()
"""

HELPER = """
    from dataclasses import dataclass

    @dataclass
    class Number:
        value: int

    def grown(number, by):
        return number.value + by
"""


def test_a_file_with_neighbours(execute: Any, write: Write) -> None:
    write("one/numbers_a.py", HELPER)
    module = import_file(write("one/file_job.py", JOB.format(helper="numbers_a", start=10)))
    result = execute(module.growing, {"ops": {"grow": {"config": {"by": 5}}}})
    assert result.success, result.get_step_failure_events()
    assert result.output_for_node("grow") == 15
    assert type(result.output_for_node("start")) is sys.modules["numbers_a"].Number


def test_two_files_of_one_name(execute: Any, write: Write) -> None:
    write("left/left_numbers.py", HELPER)
    write("right/right_numbers.py", HELPER)
    left = import_file(write("left/same_name.py", JOB.format(helper="left_numbers", start=10)))
    right = import_file(write("right/same_name.py", JOB.format(helper="right_numbers", start=20)))
    assert (left.__name__, right.__name__) == ("same_name", "same_name_2")
    assert execute(left.growing).output_for_node("grow") == 11
    assert execute(right.growing).output_for_node("grow") == 21
    assert execute(left.growing).output_for_node("grow") == 11


def test_an_exception_class_of_the_file_is_raised_as_itself(
    execute_on_ray: Any, write: Write
) -> None:
    write("numbers_b.py", HELPER)
    module = import_file(write("raising_job.py", JOB.format(helper="numbers_b", start=0)))
    with pytest.raises(module.Refused, match="no"):
        module.refusing.execute(raise_on_error=True)


def test_a_file_named_like_a_module_of_the_standard_library(execute: Any, write: Write) -> None:
    write("numbers_c.py", HELPER)
    module = import_file(write("queue.py", JOB.format(helper="numbers_c", start=1)))
    assert module.__name__ == "queue_2"
    assert execute(module.growing).output_for_node("grow") == 2


def test_a_neighbour_wins_over_a_module_of_the_same_name_that_is_installed(
    execute_on_ray: Any, write: Write
) -> None:
    write("typer.py", "WHERE = 'beside the job'\n")
    module = import_file(
        write(
            "shadowing_job.py",
            """
            from rayexec import job, op

            @op
            def where() -> str:
                import importlib
                import sys
                sys.modules.pop("typer", None)
                return importlib.import_module("typer").WHERE

            @job
            def shadowing() -> None:
                where()
            """,
        )
    )
    config: dict[str, Any] = {
        "execution": {"config": {"multiprocess": {"start_method": {"spawn": {}}}}}
    }
    result = execute_on_ray(module.shadowing, config)
    assert result.success, result.get_step_failure_events()
    assert result.output_for_node("where") == "beside the job"


def test_the_same_file_twice_is_one_module(write: Write) -> None:
    write("numbers_d.py", HELPER)
    file = write("twice_job.py", JOB.format(helper="numbers_d", start=1))
    assert import_file(file) is import_file(str(file))


def test_a_file_that_fails_to_import_leaves_nothing_behind(write: Write) -> None:
    file = write("broken_job.py", "raise RuntimeError('at import')\n")
    with pytest.raises(RuntimeError, match="at import"):
        import_file(file)
    assert "broken_job" not in sys.modules


def test_what_only_the_driver_can_import_is_told(execute_on_ray: Any, write: Write) -> None:
    file = write(
        "driver_only.py",
        """
        import os
        from rayexec import job, op

        if os.getpid() != {pid}:
            raise RuntimeError("not here")

        @op
        def one() -> int:
            return 1

        @job
        def local() -> None:
            one()
        """.replace("{pid}", str(__import__("os").getpid())),
    )
    result = execute_on_ray(import_file(file).local)
    data = result.failure_data_for_node("one")
    assert data.error.cls_name == "LoadError"
    assert "the job's code cannot be imported on the worker" in data.error.message
    assert (data.root.cls_name, data.root.message) == ("RuntimeError", "not here")
    assert "driver_only.py" in data.root.stack


def test_module_state_of_the_worker_lasts_between_steps(execute_on_ray: Any, write: Write) -> None:
    write("numbers_e.py", HELPER)
    module: ModuleType = import_file(
        write("counting_job.py", JOB.format(helper="numbers_e", start=1))
    )
    from rayexec import job

    @job(config={"execution": {"config": {"multiprocess": {"max_concurrent": 1}}}})
    def counting() -> None:
        for _ in range(4):
            module.count()

    result = execute_on_ray(counting)
    counts = [result.output_for_node(event.step_key) for event in result.get_step_success_events()]
    assert max(counts) >= 2
    assert module.LOADED == []


def test_ops_resources_and_hooks_made_in_functions_travel_by_value(execute: Any) -> None:
    from rayexec import job, op, resource, success_hook

    def made(factor: int) -> Any:
        @resource
        def scale() -> int:
            return factor

        @success_hook(required_resource_keys={"scale"})
        def check(context: Any) -> None:
            assert context.op_output_values["result"] == 3 * context.resources.scale

        @op(required_resource_keys={"scale"}, name=f"times_{factor}")
        def times(context: Any) -> int:
            return 3 * int(context.resources.scale)

        @job(resource_defs={"scale": scale}, hooks={check}, name=f"job_{factor}")
        def scaling() -> None:
            times()

        return scaling

    for factor in (2, 5):
        result = execute(made(factor))
        assert result.output_for_node(f"times_{factor}") == 3 * factor
        assert [e.event_type_value for e in result.all_events if "HOOK" in e.event_type_value] == [
            "HOOK_COMPLETED"
        ]


def test_changed_settings_of_a_module_level_op_travel_too(execute: Any, write: Write) -> None:
    write("numbers_f.py", HELPER)
    module = import_file(write("settings_job.py", JOB.format(helper="numbers_f", start=1)))
    from rayexec import job

    preset = module.grow.configured({"by": 100}, name="grow_much")

    @job
    def presets() -> None:
        preset(module.start())

    assert execute(presets).output_for_node("grow_much") == 101


LINKED = """
    from rayexec import job, op
    import linked_helper
    import linked_beside

    @op
    def reads() -> list[str]:
        import linked_late
        return [linked_helper.WORD, linked_beside.WORD, linked_late.WORD, __file__]

    @job
    def linked():
        reads()
"""


def test_a_link_finds_the_neighbours_of_its_target_first_and_then_its_own(
    write: Write, tmp_path: Path, ray_session: None
) -> None:
    write("there/job.py", LINKED)
    write("there/linked_helper.py", "WORD = 'of the target'")
    write("there/linked_late.py", "WORD = 'late'")
    write("here/linked_helper.py", "WORD = 'of the link'")  # as with `python link.py`, not this
    write("here/linked_beside.py", "WORD = 'beside'")
    link = tmp_path / "here/link_to_job.py"
    link.symlink_to("../there/job.py")
    linked = import_file(link).linked
    expected = ["of the target", "beside", "late", str(link)]
    assert linked.execute_in_process().output_for_node("reads") == expected
    assert linked.execute().output_for_node("reads") == expected


def test_a_link_to_the_directory_of_a_file_adds_nothing_to_the_path(
    write: Write, tmp_path: Path
) -> None:
    write("there/job.py", "")
    (tmp_path / "here").symlink_to("there")
    path = list(sys.path)
    import_file(tmp_path / "here/job.py")
    assert sys.path == [str(tmp_path / "here"), *path]
