"""Methods of IO managers: their contexts, their results, and their failures."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from json_manager import JsonManager, data_of, pair, root_of

from rayexec import (
    ConfigError,
    ConfigurableIOManager,
    EnvVar,
    In,
    InputContext,
    IOManager,
    Nothing,
    Out,
    Output,
    OutputContext,
    configured,
    graph,
    input_manager,
    io_manager,
    job,
    op,
    resource,
)


class Seen(IOManager):
    """Records its contexts in files."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        assert not context.has_asset_key
        assert context.op_def is not None
        self._note(
            "out",
            context,
            output_metadata={key: each.value for key, each in context.output_metadata.items()},
            op=context.op_def.name,
            obj=obj,
        )
        context.log.info("stored %s", context.name)

    def load_input(self, context: InputContext) -> Any:
        upstream = context.upstream_output
        assert upstream is not None
        assert context.op_def is not None
        assert upstream.op_def is not None
        self._note(
            "in",
            context,
            op=context.op_def.name,
            upstream=[
                upstream.step_key,
                upstream.name,
                upstream.op_def.name,
                upstream.dagster_type.name,
            ],
            upstream_metadata=dict(upstream.definition_metadata),
        )
        context.log.info("loaded %s", context.name)
        return f"loaded {upstream.name}"

    def _note(self, kind: str, context: Any, **more: Any) -> None:
        seen = {
            "run_id": context.run_id,
            "job_name": context.job_name,
            "name": context.name,
            "identifier": context.get_identifier()[1:],
            "metadata": dict(context.metadata),
            "type": context.dagster_type.name,
            "config": context.resource_config,
            "greeting": context.resources.greeting,
            **more,
        }
        Path(self.directory, f"{kind}-{context.name}.json").write_text(json.dumps(seen))


@resource
def greeting() -> str:
    return "hello"


@io_manager(config_schema={"directory": str}, required_resource_keys={"greeting"})
def seen(context: Any) -> Seen:
    return Seen(context.resource_config["directory"])


def test_what_a_manager_is_told(execute: Any, tmp_path: Path) -> None:
    @op(
        out={"table": Out(int, io_manager_key="seen", metadata={"name": "t"}), "done": Out(Nothing)}
    )
    def make(context: Any) -> Iterator[Any]:
        context.add_output_metadata({"more": 1}, output_name="table")
        yield Output(5, "table", metadata={"rows": 2})
        yield Output(None, "done")

    @op(ins={"taken": In(str, metadata={"columns": "a"}), "after": In(Nothing)})
    def use(taken: str) -> str:
        return taken

    @graph
    def inner() -> None:
        table, done = make()
        use(taken=table, after=done)

    @job(
        resource_defs={"seen": seen.configured({"directory": str(tmp_path)}), "greeting": greeting}
    )
    def telling() -> None:
        inner()

    result = execute(telling)
    assert result.output_for_node("inner.use") == "loaded table"
    common = {
        "run_id": result.run_id,
        "job_name": "telling",
        "config": {"directory": str(tmp_path)},
    }
    common |= {"greeting": "hello", "identifier": ["inner.make", "table"]}
    assert json.loads((tmp_path / "out-table.json").read_text()) == common | {
        "name": "table",
        "metadata": {"name": "t"},
        "type": "int",
        "output_metadata": {"rows": 2, "more": 1},
        "op": "make",
        "obj": 5,
    }
    assert json.loads((tmp_path / "in-taken.json").read_text()) == common | {
        "name": "taken",
        "metadata": {"columns": "a"},
        "type": "str",
        "op": "use",
        "upstream": ["inner.make", "table", "make", "int"],
        "upstream_metadata": {"name": "t"},
    }
    assert {each.name for each in tmp_path.iterdir()} == {"out-table.json", "in-taken.json"}
    logged = [each.message for each in result.all_events if each.event_type_value == "LOG_MESSAGE"]
    assert logged == ["stored table", "loaded taken"]


class Odd(IOManager):
    def __init__(self, what: str) -> None:
        self.what = what

    def handle_output(self, context: OutputContext, obj: Any) -> Any:
        async def later() -> None: ...

        def generate() -> Iterator[Any]:
            yield {"from": "a generator"}

        made: dict[str, Any] = {
            "async": later,
            "number": lambda: 5,
            "generator": generate,
            "metadata": lambda: {"n": 1},
        }
        return made[self.what]()

    def load_input(self, context: InputContext) -> Any:
        return None


def test_what_handle_output_may_return(execute: Any) -> None:
    @job(resource_defs={"files": Odd("metadata")})
    def odd() -> None:
        pair()

    for what, message in (("async", "async"), ("number", "returned a int")):
        assert message in root_of(execute(odd, resources={"files": Odd(what)}), "pair")[1]
    for what, expected in (("generator", {"from": "a generator"}), ("metadata", {"n": 1})):
        (handled,) = data_of(execute(odd, resources={"files": Odd(what)}), "HANDLED_OUTPUT", "pair")
        assert {key: each.value for key, each in handled.metadata.items()} == expected


@input_manager(config_schema={"start": int}, required_resource_keys={"greeting"})
def counting(context: InputContext) -> str:
    return f"{context.resources.greeting} {context.resource_config['start']} {context.name}"


def test_input_managers_are_functions(execute: Any) -> None:
    @op(ins={"value": In(input_manager_key="counting")})
    def count(value: str) -> str:
        return value

    @job(resource_defs={"counting": counting.configured({"start": 3}), "greeting": greeting})
    def counted() -> None:
        count()

    assert execute(counted).output_for_node("count") == "hello 3 value"


def test_managers_are_configured_as_resources_are(
    execute: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @configured(seen, config_schema={"name": str})
    def seen_below(config: Any) -> Any:
        return {"directory": str(tmp_path / config["name"])}

    (tmp_path / "here").mkdir()
    monkeypatch.setenv("JSON_SUFFIX", "txt")
    managers = {
        "seen": seen_below,
        "launch": JsonManager.configure_at_launch(directory=str(tmp_path)),
        "environment": JsonManager(directory=str(tmp_path), suffix=EnvVar("JSON_SUFFIX")),
    }

    @op(
        out={
            "a": Out(io_manager_key="seen"),
            "b": Out(io_manager_key="launch"),
            "c": Out(io_manager_key="environment"),
        }
    )
    def three() -> tuple[int, int, int]:
        return 1, 2, 3

    @op
    def add(a: Any, b: int, c: int) -> str:
        return f"{a} {b} {c}"

    @job(resource_defs={**managers, "greeting": greeting})
    def all_ways() -> None:
        add(*three())

    config = {"seen": {"config": {"name": "here"}}, "launch": {"config": {"suffix": "js"}}}
    result = execute(all_ways, {"resources": config})
    assert result.output_for_node("add") == "loaded a 2 3"
    files = {each.name for each in tmp_path.rglob("*.*")}
    assert files == {"out-a.json", "in-a.json", "three-b.js", "three-c.txt"}
    assert result.output_for_node("three", "b") == 2
    monkeypatch.delenv("JSON_SUFFIX")
    with pytest.raises(
        ConfigError, match=r"resources:environment:config:suffix: .*'JSON_SUFFIX' is not set"
    ):
        execute(all_ways, {"resources": config})


class Field(ConfigurableIOManager):
    """Loads its own config."""

    one: int

    def handle_output(self, context: OutputContext, obj: Any) -> None: ...

    def load_input(self, context: InputContext) -> Any:
        assert context.upstream_output is not None
        return [context.resource_config, context.upstream_output.resource_config]


@pytest.mark.parametrize("manager", [Field(one=1), Field.configure_at_launch()])
def test_the_fields_of_a_manager_are_its_config(execute: Any, manager: Any) -> None:
    @op
    def look(value: Any) -> Any:
        return value

    @job(resource_defs={"files": manager})
    def looking() -> None:
        look(pair())

    config = (
        {"resources": {"files": {"config": {"one": 1}}}} if not isinstance(manager, Field) else {}
    )
    assert execute(looking, config).output_for_node("look") == [{"one": 1}, {"one": 1}]
