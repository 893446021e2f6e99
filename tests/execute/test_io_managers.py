"""IO managers: what they are given, what travels in a value's place, how they fail, and how results are read."""

import json
from pathlib import Path
from typing import Any

from rayexec import (
    ConfigurableIOManager,
    InputContext,
    Out,
    OutputContext,
    job,
    op,
)


class JsonManager(ConfigurableIOManager):
    """Stores JSON, so that what it loads is never the very object; tuples come back as lists."""

    directory: str
    suffix: str = "json"

    def _path(self, context: OutputContext) -> Path:
        return Path(self.directory, f"{'-'.join(context.get_identifier()[1:])}.{self.suffix}")

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        path = self._path(context)
        path.write_text(json.dumps(obj))
        context.add_output_metadata({"size": path.stat().st_size})

    def load_input(self, context: InputContext) -> Any:
        assert context.upstream_output is not None
        return json.loads(self._path(context.upstream_output).read_text())


def data_of(result: Any, kind: str, key: str) -> list[Any]:
    events = [each for each in result.events_for_node(key) if each.event_type_value == kind]
    return [each.event_specific_data for each in events]


def root_of(result: Any, key: str) -> tuple[str, str]:
    data = result.failure_data_for_node(key)
    return data.root.cls_name, data.root.message


@op(out=Out(io_manager_key="files"))
def pair() -> tuple[int, int]:
    return (1, 2)


@op
def show(value: Any) -> str:
    return repr(value)


def test_a_consumer_gets_what_was_loaded(execute: Any, tmp_path: Path) -> None:
    @job(resource_defs={"files": JsonManager(directory=str(tmp_path))})
    def storing() -> None:
        show(pair())

    result = execute(storing)
    assert result.success
    assert result.output_for_node("show") == "[1, 2]"
    assert (tmp_path / "pair-result.json").read_text() == "[1, 2]"
    assert result.output_for_node("pair") == [1, 2]
    (handled,) = data_of(result, "HANDLED_OUTPUT", "pair")
    assert handled["manager_key"] == "files"
    assert handled["metadata"]["size"].value == 6
    (loaded,) = data_of(result, "LOADED_INPUT", "show")
    assert loaded == {
        "input_name": "value",
        "manager_key": "files",
        "upstream_step_key": "pair",
        "upstream_output_name": "result",
    }
    json.dumps([event.to_dict() for event in result.all_events])
    (unmanaged,) = data_of(result, "HANDLED_OUTPUT", "show")
    assert unmanaged == {"output_name": "result"}
