"""Opening and closing of IO managers: in a run, by its result, and without a run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from json_manager import JsonManager, pair, root_of, show

from rayexec import (
    ConfigurableResource,
    InputError,
    InvariantError,
    build_input_context,
    build_output_context,
    graph,
    io_manager,
    job,
)


class Connection(ConfigurableResource):
    log: str

    def setup_for_execution(self, context: Any) -> None:
        with open(self.log, "a") as file:
            file.write("+")

    def teardown_after_execution(self, context: Any) -> None:
        with open(self.log, "a") as file:
            file.write("-")


class Connected(Connection, JsonManager):
    """A JsonManager that notes when it is opened and closed."""


def test_the_result_opens_and_closes_the_manager_to_read(
    execute_and_load: Any, tmp_path: Path
) -> None:
    log = tmp_path / "log.txt"

    @graph
    def whole() -> Any:
        return pair()

    manager = Connected(directory=str(tmp_path), log=str(log))
    result = execute_and_load(whole.to_job(resource_defs={"files": manager}))
    assert log.read_text() == "+-"
    assert result.output_value() == [1, 2]
    assert log.read_text() == "+-+-"
    (tmp_path / "pair-result.json").unlink()
    with pytest.raises(InputError, match=r"could not load .*'pair': FileNotFoundError"):
        result.output_for_node("pair")
    assert log.read_text() == "+-+-+-"
    result.close()
    with pytest.raises(InvariantError, match="was closed"):
        result.output_for_node("pair")


def test_a_manager_that_does_not_open(execute: Any, is_ray: bool) -> None:
    @io_manager
    def broken() -> Any:
        raise RuntimeError("no disk")

    @job(resource_defs={"files": broken})
    def storing() -> None:
        show(pair())

    result = execute(storing)
    assert not result.success
    if is_ray:
        kind, message = root_of(result, "pair")
        assert (kind, message) == (
            "DagsterResourceFunctionError",
            "resource 'files' failed to open: RuntimeError: no disk",
        )
    else:  # it is opened before the first step, as every resource is
        assert "no disk" in str(result.error)
        assert result.is_node_untouched("pair")


def test_managers_are_tested_without_a_run(tmp_path: Path) -> None:
    manager = JsonManager(directory=str(tmp_path))
    output = build_output_context(step_key="a", name="b", mapping_key="c", metadata={"m": 1})
    assert output.get_identifier() == ["__EPHEMERAL_RUN_ID", "a", "b", "c"]
    assert output.definition_metadata == {"m": 1}
    manager.handle_output(output, [5])
    assert output.get_logged_metadata()["size"].value == 3
    context = build_input_context(
        upstream_output=output, dagster_type=list, resources={"greeting": "hello"}
    )
    assert manager.load_input(context) == [5]
    assert context.get_identifier() == output.get_identifier()
    assert context.dagster_type.annotation is list
    assert context.resources.greeting == "hello"
    with pytest.raises(InvariantError, match="from no output"):
        build_input_context().get_identifier()


@pytest.mark.parametrize("scope", ["step", "batch", "worker"])
def test_a_manager_stays_open_as_its_scope_says(
    execute: Any, is_ray: bool, scope: str, tmp_path: Path
) -> None:
    directory = str(tmp_path)

    def note(sign: str) -> None:
        with open(f"{directory}/log.txt", "a") as file:
            file.write(sign)

    @io_manager(scope=scope)
    def files() -> Iterator[JsonManager]:
        note("+")
        yield JsonManager(directory=directory)
        note("-")

    @job(resource_defs={"files": files})
    def chain() -> None:
        show(pair())

    result = execute(chain)
    assert result.output_for_node("show") == "[1, 2]"
    log = Path(directory, "log.txt").read_text()
    assert log.count("+") == log.count("-")
    # On Ray the two steps may come to run in different batches, and in different workers.
    assert log.count("+") in ({2} if scope == "step" else {1, 2} if is_ray else {1})
