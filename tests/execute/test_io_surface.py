"""IO managers and input managers as Dagster has them: config of ports, contexts, what they return.

Expected values are Dagster 1.13's, found by running the same code there.
"""

from collections.abc import Callable
from typing import Any

import pytest

from rayexec import (
    AssetMaterialization,
    AssetObservation,
    ConfigurableIOManager,
    ConfigurableIOManagerFactory,
    ConfigurableLegacyIOManagerAdapter,
    DagsterInvalidConfigError,
    DagsterInvalidDefinitionError,
    DagsterInvariantViolationError,
    Field,
    In,
    InputContext,
    InputManager,
    IOManager,
    IOManagerDefinition,
    Out,
    Output,
    OutputContext,
    build_input_context,
    build_output_context,
    input_manager,
    io_manager,
    job,
    op,
)


class Noting(IOManager):
    """Holds values by identifier and notes what it is asked."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, ...], Any] = {}
        self.stored: list[Any] = []
        self.loaded: list[Any] = []

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        self.values[tuple(context.get_identifier())] = obj
        self.stored.append((context.step_key, context.config, dict(context.output_metadata)))

    def load_input(self, context: InputContext) -> Any:
        upstream = context.upstream_output
        assert upstream is not None
        if context.has_input_name:
            self.loaded.append((context.name, context.config, upstream.step_key, upstream.config))
        return self.values[tuple(upstream.get_identifier())]


@op(out=Out(metadata={"of": "output"}))
def made() -> int:
    return 1


@op
def use(x: Any) -> Any:
    return x


@op(ins={"x": In(input_manager_key="own", metadata={"of": "input"})})
def own(x: Any) -> Any:
    return x


@op(ins={"x": In(input_manager_key="own", default_value=77)})
def own_or_default(x: Any) -> Any:
    return x


def job_with(by_manager: Any, loads: Any = use, is_connected: bool = True) -> Any:
    key = "io_manager" if loads is use else "own"

    @job(resource_defs={key: by_manager})
    def made_job() -> None:
        loads(made()) if is_connected else loads()

    return made_job


def test_outputs_have_config_for_their_manager() -> None:
    manager = Noting()

    @io_manager(output_config_schema={"path": str, "mode": Field(str, default_value="w")})
    def with_config(_: Any) -> IOManager:
        return manager

    stores = job_with(with_config)
    both = {"made": {"path": "a"}, "use": {"path": "b", "mode": "x"}}
    config = {"ops": {name: {"outputs": {"result": each}} for name, each in both.items()}}
    assert stores.execute_in_process(config).success
    assert [each[:2] for each in manager.stored] == [
        ("made", {"path": "a", "mode": "w"}),
        ("use", {"path": "b", "mode": "x"}),
    ]
    assert manager.loaded == [("x", None, "made", {"path": "a", "mode": "w"})]
    with pytest.raises(DagsterInvalidConfigError) as caught:
        stores.execute_in_process({"ops": {"made": {"outputs": {"result": {"path": 1}, "no": 2}}}})
    assert [problem.path for problem in caught.value.problems] == [
        ("ops", "made", "outputs", "result", "path"),
        ("ops", "made", "outputs", "no"),
        ("ops", "use", "outputs", "result"),
    ]


@pytest.mark.parametrize("manager", [None, Noting(), IOManagerDefinition(lambda _: Noting())])
def test_outputs_without_a_schema_take_no_config(manager: Any) -> None:
    given = {"ops": {"made": {"outputs": {"result": 3}}}}

    @job(resource_defs={} if manager is None else {"io_manager": manager})
    def plain() -> None:
        use(made())

    with pytest.raises(DagsterInvalidConfigError, match="output_config_schema"):
        plain.execute_in_process(given)


class Loads(InputManager):
    def load_input(self, context: InputContext) -> Any:
        return ("class", context.config, context.resource_config, context.upstream_output is None)


@input_manager
def without_schema(context: InputContext) -> Any:
    return (context.config, context.name, dict(context.definition_metadata))


@input_manager(input_config_schema={"c": int})
def with_schema(context: InputContext) -> Any:
    return context.config


@input_manager(config_schema={"base": str}, input_config_schema=int)
def of_a_class() -> InputManager:
    return Loads()


@io_manager(input_config_schema={"c": int})
def stores_too() -> IOManager:
    class Stores(Noting):
        def load_input(self, context: InputContext) -> Any:
            return (context.config, context.upstream_output is None)

    return Stores()


class OfFields(ConfigurableIOManager):
    def handle_output(self, context: OutputContext, obj: Any) -> None: ...
    def load_input(self, context: InputContext) -> Any:
        return context.config


NAMED = (None, "x", {"of": "input"})
BASE = {"resources": {"own": {"config": {"base": "b"}}}}


@pytest.mark.parametrize("is_connected", [True, False])
@pytest.mark.parametrize(
    ("manager", "given", "resources", "loaded"),
    [
        (without_schema, None, {}, NAMED),
        (without_schema, {"v": 3}, {}, ({"v": 3}, *NAMED[1:])),
        (with_schema, {"c": 3}, {}, {"c": 3}),
        (with_schema, {"c": "3"}, {}, DagsterInvalidConfigError),
        (with_schema, None, {}, DagsterInvalidConfigError),
        (of_a_class, 3, BASE, lambda is_open: ("class", 3, {"base": "b"}, is_open)),
        (of_a_class.configured({"base": "z"}), 3, {}, lambda it: ("class", 3, {"base": "z"}, it)),
        (stores_too, {"c": 1}, {}, lambda is_open: ({"c": 1}, is_open)),
        (OfFields(), {"v": 3}, {}, {"v": 3}),
        (OfFields(), None, {}, None),
    ],
)
def test_an_input_manager_gets_the_config_of_its_input(
    is_connected: bool, manager: Any, given: Any, resources: Any, loaded: Any
) -> None:
    loads = job_with(manager, own, is_connected)
    config = {**resources, **({"ops": {"own": {"inputs": {"x": given}}}} if given else {})}
    if loaded is DagsterInvalidConfigError:
        with pytest.raises(DagsterInvalidConfigError):
            loads.execute_in_process(config)
    else:
        expected = loaded(not is_connected) if callable(loaded) else loaded
        assert loads.execute_in_process(config).output_for_node("own") == expected


def test_an_input_manager_loads_defaults_and_each_of_a_list() -> None:
    @input_manager
    def four() -> int:
        return 4

    @job(resource_defs={"own": four})
    def lists() -> None:
        own([made(), made()])
        own_or_default()

    result = lists.execute_in_process()
    assert result.output_for_node("own") == [4, 4]
    assert result.output_for_node("own_or_default") == 4


def test_a_manager_that_is_there() -> None:
    manager = Noting()
    definition = IOManagerDefinition.hardcoded_io_manager(manager, "it")
    assert definition.description == "it"
    assert job_with(definition).execute_in_process().output_for_node("use") == 1
    assert len(manager.values) == 2
    with pytest.raises(DagsterInvalidDefinitionError, match="takes an IOManager"):
        IOManagerDefinition.hardcoded_io_manager(3)


def returning(*items: Any, yields: bool = False) -> IOManager:
    class Returns(Noting):
        def handle_output(self, context: OutputContext, obj: Any) -> Any:
            context.add_output_metadata({"added": 2})
            return (each for each in items) if yields else items[0]

        def load_input(self, context: InputContext) -> Any:
            context.add_input_metadata({"read": 3})
            return 1

    return Returns()


@pytest.mark.parametrize(
    ("manager", "metadata"),
    [
        (returning(None), {"added": 2}),
        (returning({"m": 1}), {"m": 1, "added": 2}),
        (returning(AssetMaterialization("k")), {"added": 2}),
        (
            returning({"m": 1}, AssetMaterialization("k"), {"n": "x"}, yields=True),
            {"m": 1, "n": "x", "added": 2},
        ),
        (returning({"added": 1}), {"added": 2}),
        *[
            (returning(wrong, yields=yields), None)
            for wrong in (3, [1], "s", Output(1), [AssetMaterialization("k")])
            for yields in (True, False)
        ],
    ],
)
def test_what_handle_output_may_return(manager: Any, metadata: dict[str, Any] | None) -> None:
    run = job_with(IOManagerDefinition.hardcoded_io_manager(manager))
    if metadata is None:
        with pytest.raises(DagsterInvariantViolationError, match="from handle_output"):
            run.execute_in_process()
        return
    result = run.execute_in_process()
    data: dict[str, Any] = {
        event.event_type_value: event.event_specific_data
        for event in result.all_events
        if event.event_type_value in ("HANDLED_OUTPUT", "LOADED_INPUT")
    }
    handled = data["HANDLED_OUTPUT"].metadata
    assert {key: each.value for key, each in handled.items()} == metadata
    assert data["LOADED_INPUT"].metadata["read"].value == 3


def test_contexts_of_unit_tests() -> None:
    output = build_output_context("s", "n", {"a": 1}, run_id="r", mapping_key="k", config={"c": 1})
    assert output.get_identifier() == ["r", "s", "n", "k"] == output.get_output_identifier()
    assert (output.metadata, output.config, output.resource_config) == ({"a": 1}, {"c": 1}, {})
    assert build_output_context("s", "n", version="v").get_identifier() == [
        "versioned_outputs",
        "v",
        "s",
        "n",
    ]
    output.add_output_metadata({"a": 1})
    output.log_event(AssetMaterialization("x"))
    assert output.get_logged_metadata()["a"].value == 1
    assert [each.asset_key.path for each in output.get_logged_events()] == [["x"]]
    assert output.consume_logged_metadata().keys() == {"a"}
    assert output.get_logged_metadata() == {}
    of_input = build_input_context(upstream_output=output, metadata={"q": 1})
    assert (of_input.get_identifier(), of_input.metadata) == (output.get_identifier(), {"q": 1})
    assert (of_input.has_input_name, build_input_context(name="x").has_input_name) == (False, True)
    of_asset = build_output_context(asset_key="a", partition_key="p")
    assert (of_asset.has_asset_key, of_asset.has_partition_key) == (True, True)
    assert of_asset.get_asset_identifier() == ["a", "p"]
    assert (output.has_asset_key, output.has_partition_key, output.has_asset_partitions) == (
        False,
        False,
        False,
    )


@pytest.mark.parametrize(
    "ask",
    [
        lambda output, _: output.job_name,
        lambda output, _: output.op_def,
        lambda output, _: output.asset_key,
        lambda output, _: output.partition_key,
        lambda output, _: output.asset_partition_key,
        lambda output, _: output.log_event(3),
        lambda output, _: [output.add_output_metadata({"a": each}) for each in (1, 2)],
        lambda _, given: given.name,
        lambda _, given: given.op_def,
        lambda _, given: given.get_identifier(),
        lambda _, given: given.get_asset_identifier(),
        lambda *_: build_output_context("s", "n", version="v", mapping_key="k").get_identifier(),
    ],
)
def test_what_a_context_cannot_tell(ask: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(DagsterInvariantViolationError):
        ask(build_output_context(), build_input_context())


def test_contexts_in_a_run() -> None:
    seen: dict[str, Any] = {}

    class Looks(Noting):
        def handle_output(self, context: OutputContext, obj: Any) -> None:
            super().handle_output(context, obj)
            facts = (context.name, context.job_name, context.op_def.name, context.mapping_key)
            seen[context.step_key] = (*facts, context.dagster_type.display_name, context.metadata)

        def load_input(self, context: InputContext) -> Any:
            seen["x"] = (context.op_def.name, context.has_asset_key, context.has_partition_key)
            return super().load_input(context)

    assert job_with(Looks()).execute_in_process().success
    assert seen["made"] == ("result", "made_job", "made", None, "Int", {"of": "output"})
    assert seen["x"] == ("use", False, False)


class Wrapped(Noting):
    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base

    def load_input(self, context: InputContext) -> Any:
        return (self.base, context.resource_config, context.upstream_output.config)  # type: ignore[union-attr]


class Makes(ConfigurableIOManagerFactory[Wrapped]):
    base: str

    @classmethod
    def output_config_schema(cls) -> Any:
        return {"p": Field(str, default_value="d")}

    def create_io_manager(self, context: Any) -> Wrapped:
        return Wrapped(self.base)


class Inherits(Makes):
    more: int = 1


@io_manager(config_schema={"base": str})
def by_function(context: Any) -> Wrapped:
    return Wrapped(context.resource_config["base"])


class Adapts(ConfigurableLegacyIOManagerAdapter):
    base: str

    @property
    def wrapped_io_manager(self) -> IOManagerDefinition:
        return by_function


@pytest.mark.parametrize(
    ("manager", "config", "loaded"),
    [
        (Makes(base="b"), {}, ("b", {"base": "b"}, {"p": "d"})),
        (
            Inherits(base="b"),
            {"ops": {"made": {"outputs": {"result": {"p": "x"}}}}},
            ("b", {"base": "b", "more": 1}, {"p": "x"}),
        ),
        (
            Makes.configure_at_launch(),
            {"resources": {"io_manager": {"config": {"base": "z"}}}},
            ("z", {"base": "z"}, {"p": "d"}),
        ),
        (Adapts(base="b"), {}, ("b", {"base": "b"}, None)),
        (by_function.configured({"base": "b"}), {}, ("b", {"base": "b"}, None)),
    ],
)
def test_classes_that_make_io_managers(manager: Any, config: Any, loaded: Any) -> None:
    @op
    def note(x: Any) -> None:
        seen.append(x)

    seen: list[Any] = []

    @job(resource_defs={"io_manager": manager})
    def noting() -> None:
        note(made())

    assert noting.execute_in_process(config).success
    assert seen == [loaded]


def test_events_of_handle_output_are_of_the_run() -> None:
    class Reports(Noting):
        def handle_output(self, context: OutputContext, obj: Any) -> Any:
            super().handle_output(context, obj)
            context.log_event(AssetObservation("seen"))
            yield AssetMaterialization("made")
            context.log_event(AssetMaterialization("last"))

    result = job_with(Reports()).execute_in_process()
    kinds = [e.event_type_value for e in result.all_events if e.step_key == "made"]
    assert kinds == [
        "STEP_START",
        "STEP_OUTPUT",
        "ASSET_OBSERVATION",
        "ASSET_MATERIALIZATION",
        "ASSET_MATERIALIZATION",
        "HANDLED_OUTPUT",
        "STEP_SUCCESS",
    ]
