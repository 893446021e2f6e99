"""IO managers: stand-ins for values, inputs of consumers, and values of results."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from json_manager import JsonManager, data_of, pair, root_of, show

from rayexec import (
    ConfigurableIOManager,
    In,
    InputContext,
    InvariantError,
    IOManager,
    Nothing,
    Out,
    Output,
    OutputContext,
    job,
    op,
    success_hook,
)
from rayexec.events import HandledOutputData, LoadedInputData


def test_a_consumer_gets_what_was_loaded(execute_and_load: Any, tmp_path: Path) -> None:
    @job(resource_defs={"files": JsonManager(directory=str(tmp_path))})
    def storing() -> None:
        show(pair())

    result = execute_and_load(storing)
    assert result.success
    assert result.output_for_node("show") == "[1, 2]"
    assert (tmp_path / "pair-result.json").read_text() == "[1, 2]"
    assert result.output_for_node("pair") == [1, 2]
    (handled,) = data_of(result, "HANDLED_OUTPUT", "pair")
    assert handled.manager_key == "files"
    assert handled.metadata["size"].value == 6
    (loaded,) = data_of(result, "LOADED_INPUT", "show")
    assert loaded == LoadedInputData("value", "files", "result", "pair")
    json.dumps([event.to_dict() for event in result.all_events])
    (unmanaged,) = data_of(result, "HANDLED_OUTPUT", "show")
    assert unmanaged == HandledOutputData("result")
    assert unmanaged.manager_key == "io_manager"


def test_the_key_io_manager_is_for_outputs_that_name_none(execute: Any, tmp_path: Path) -> None:
    @op
    def plain() -> tuple[int, int]:
        return (3, 4)

    @op
    def swap(value: Any) -> Any:
        return tuple(reversed(value))

    @job(resource_defs={"io_manager": JsonManager(directory=str(tmp_path))})
    def by_default() -> None:
        show(swap(swap(plain())))

    result = execute(by_default)
    assert result.output_for_node("show") == "[3, 4]"
    assert {each.name for each in tmp_path.iterdir()} == {
        f"{each}-result.json" for each in ("plain", "swap", "swap_2", "show")
    }

    @op(out=Out(io_manager_key="io_manager"))
    def named() -> tuple[int, int]:
        return (3, 4)

    @job
    def without() -> None:
        show(named())

    assert execute(without).output_for_node("show") == "(3, 4)"


def test_a_run_may_bring_the_manager(execute: Any, tmp_path: Path) -> None:
    @job
    def storing() -> None:
        show(pair())

    given = {"files": JsonManager(directory=str(tmp_path))}
    assert execute(storing, resources=given).output_for_node("show") == "[1, 2]"
    assert (
        execute(storing, resources={**given, "io_manager": given["files"]}).output_for_node("show")
        == "[1, 2]"
    )
    assert (tmp_path / "show-result.json").exists()


def test_chains_fan_outs_and_fan_ins_get_what_was_loaded(
    execute_and_load: Any, tmp_path: Path
) -> None:
    @op(out=Out(io_manager_key="files"))
    def grow(value: Any) -> Any:
        return (*value, len(value) + 1)

    @op
    def gather(values: list[Any]) -> str:
        return repr(values)

    @op
    def by_reference() -> tuple[int, int]:
        return (8, 9)

    @job(resource_defs={"files": JsonManager(directory=str(tmp_path))})
    def branching() -> None:
        first = pair()
        second = grow(first)
        third = grow.alias("third")(second)
        gather([first, second, third, by_reference()])
        show(third)

    result = execute_and_load(branching)
    assert result.output_for_node("gather") == "[[1, 2], [1, 2, 3], [1, 2, 3, 4], (8, 9)]"
    assert result.output_for_node("show") == "[1, 2, 3, 4]"
    assert len(data_of(result, "LOADED_INPUT", "gather")) == 3
    for key in ("pair", "grow", "third"):
        (handled,) = data_of(result, "HANDLED_OUTPUT", key)
        assert handled.manager_key == "files"
    assert result.output_for_node("third") == [1, 2, 3, 4]


def test_a_list_that_is_a_value_stays_as_it_is(execute: Any, tmp_path: Path) -> None:
    @op(out={"whole": Out(list, io_manager_key="files"), "other": Out(list)})
    def lists() -> tuple[list[int], list[int]]:
        return [1, 2], [3]

    @op
    def join(one: list[int], other: list[int]) -> list[int]:
        return one + other

    @job(resource_defs={"files": JsonManager(directory=str(tmp_path))})
    def joining() -> None:
        whole, other = lists()
        join(whole, other)

    assert execute(joining).output_for_node("join") == [1, 2, 3]


def test_nothing_is_not_handled_and_none_is(execute: Any, tmp_path: Path) -> None:
    @op(
        out={
            "signal": Out(Nothing, io_manager_key="files"),
            "none": Out(Any, io_manager_key="files"),
        }
    )
    def signal() -> Iterator[Any]:
        yield Output(None, "none")

    @op(ins={"after": In(Nothing)})
    def last(value: Any) -> str:
        return repr(value)

    @job(resource_defs={"files": JsonManager(directory=str(tmp_path))})
    def signalling() -> None:
        done, none = signal()
        last(value=none, after=done)

    result = execute(signalling)
    assert result.output_for_node("last") == "None"
    assert [each.name for each in tmp_path.iterdir()] == ["signal-none.json"]


class Letters(ConfigurableIOManager):
    """Loads letters, whatever was stored."""

    letters: str = "abc"

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        raise AssertionError("it stores nothing")

    def load_input(self, context: InputContext) -> Any:
        upstream = context.upstream_output
        return f"{self.letters} {upstream.get_identifier()[1:] if upstream else None}"


def test_an_input_may_have_a_manager_of_its_own(execute: Any, tmp_path: Path) -> None:
    @op
    def by_reference(value: Any) -> tuple[int, int]:
        return (8, 9)

    @op(ins={"value": In(input_manager_key="letters")})
    def spell(value: Any) -> Any:
        return value

    @op
    def both(one: Any, other: Any) -> Any:
        return [one, other]

    @job(
        resource_defs={
            "files": JsonManager(directory=str(tmp_path)),
            "letters": Letters.configure_at_launch(),
        }
    )
    def spelling() -> None:
        stored = pair()
        passed = by_reference(stored)
        spell.alias("spell_stored")(stored)
        spell.alias("spell_passed")(passed)
        spell.alias("spell_given")()
        both(stored, passed)
        show(passed)

    config = {"resources": {"letters": {"config": {"letters": "xyz"}}}}
    result = execute(spelling, config)
    assert result.success
    assert result.output_for_node("spell_stored") == "xyz ['pair', 'result']"
    assert result.output_for_node("spell_passed") == "xyz ['by_reference', 'result']"
    assert result.output_for_node("spell_given") == "xyz None"
    assert result.output_for_node("both") == [[1, 2], (8, 9)]
    assert result.output_for_node("show") == "(8, 9)"
    assert result.output_for_node("by_reference") == (8, 9)
    given = {**config, "ops": {"spell_given": {"inputs": {"value": {"value": 5}}}}}
    # As in Dagster, that is config for the manager.
    assert execute(spelling, given).output_for_node("spell_given") == "xyz None"


def test_hooks_see_the_value_itself(execute: Any, tmp_path: Path) -> None:
    seen_by_hook = str(tmp_path / "hook.txt")

    @success_hook
    def note(context: Any) -> None:
        Path(seen_by_hook).write_text(repr(context.op_output_values["result"]))

    @job(hooks={note}, resource_defs={"files": JsonManager(directory=str(tmp_path))})
    def hooked() -> None:
        pair()

    assert execute(hooked).success
    assert Path(seen_by_hook).read_text() == "(1, 2)"


def test_what_a_manager_loads_is_checked(execute: Any, tmp_path: Path) -> None:
    @op
    def strict(value: tuple[int, int]) -> None: ...

    @job(resource_defs={"files": JsonManager(directory=str(tmp_path))})
    def checking() -> None:
        strict(pair())

    kind, message = root_of(execute(checking), "strict")
    assert kind == "DagsterTypeCheckDidNotPass"
    assert 'input "value" of op "strict"' in message


class Large(IOManager):
    """Makes values as it loads them, so that nothing large ever travels."""

    def handle_output(self, context: OutputContext, obj: Any) -> None: ...

    def load_input(self, context: InputContext) -> Any:
        return bytes(1000)


def test_a_handled_value_does_not_travel(execute: Any) -> None:
    @op(out=Out(io_manager_key="large"))
    def unpicklable() -> Any:
        return [(each for each in [1])]

    @op
    def size(value: Any) -> int:
        return len(value)

    @job(resource_defs={"large": Large()})
    def shipping() -> None:
        size(unpicklable())

    assert execute(shipping).output_for_node("size") == 1000


def test_keep_outputs_lets_go_of_what_was_handled(execute_on_ray: Any, tmp_path: Path) -> None:
    @job(resource_defs={"files": JsonManager(directory=str(tmp_path))})
    def storing() -> None:
        show(pair())

    result = execute_on_ray(storing, keep_outputs="leaves")
    assert result.output_for_node("show") == "[1, 2]"
    with pytest.raises(InvariantError, match="not available"):
        result.output_for_node("pair")


def test_every_output_that_is_handled_is_told(execute: Any, tmp_path: Path) -> None:
    @job(resource_defs={"files": JsonManager(directory=str(tmp_path))})
    def many() -> None:
        for index in range(30):
            pair.alias(f"pair_{index}")()

    result = execute(many)
    handled = [
        each.event_specific_data
        for each in result.all_events
        if each.event_type_value == "HANDLED_OUTPUT"
    ]
    assert [each.manager_key for each in handled] == ["files"] * 30


def test_an_io_manager_has_both_methods() -> None:
    class Half(ConfigurableIOManager):
        def handle_output(self, context: OutputContext, obj: Any) -> None: ...

    with pytest.raises(TypeError, match="load_input"):
        Half()  # type: ignore[abstract]  # which is the point
