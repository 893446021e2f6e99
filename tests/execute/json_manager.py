"""An IO manager for tests, ops around it, and what a run says of them."""

import json
from pathlib import Path
from typing import Any

from rayexec import (
    ConfigurableIOManager,
    InputContext,
    Out,
    OutputContext,
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
