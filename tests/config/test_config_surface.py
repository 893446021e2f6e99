"""Config as Dagster takes it: parameters, RunConfig, configured, config mappings.

Dagster 1.13 gave each of the answers below.
"""

from __future__ import annotations

import enum
import functools
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, List, Literal, Optional, Union  # noqa: UP035

import pydantic
import pytest

from rayexec import (
    Array,
    Config,
    ConfigMapping,
    DagsterConfigMappingFunctionError,
    DagsterInvalidConfigDefinitionError,
    DagsterInvalidConfigError,
    DagsterInvalidDefinitionError,
    DagsterInvalidInvocationError,
    DagsterType,
    Enum,
    EnumValue,
    EnvVar,
    Field,
    InvariantError,
    Map,
    Noneable,
    Permissive,
    PermissiveConfig,
    RunConfig,
    ScalarUnion,
    Selector,
    Shape,
    StringSource,
    config_mapping,
    configured,
    execute_job,
    graph,
    in_process_executor,
    job,
    multiprocess_executor,
    op,
    validate_run_config,
)
from rayexec.config.run_config_scaffold import scaffold_run_config
from rayexec.plan import compile_job


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Inner(Config):
    n: int = 1


class Load(Config):
    name: str
    limit: Optional[int]  # noqa: UP045
    size: Size = Size.SMALL
    inner: Inner = Inner()


#: Type checkers want ``limit`` too.
made_load: Any = Load


class Cat(Config):
    kind: Literal["cat"] = "cat"
    meows: int


class Dog(Config):
    kind: Literal["dog", "hound"]
    barks: float = 0.5


class Owner(Config):
    pet: Union[Cat, Dog] = pydantic.Field(discriminator="kind")  # noqa: UP007


@op
def loads(config: Load) -> str:
    return repr(config)


@op(config_schema={"k": int})
def takes(context: Any) -> int:
    k: int = context.op_config["k"]
    return k


@op
def counts(config: Inner) -> int:
    return config.n


def answer(made: Any, config: Any = ..., node: str | None = None) -> Any:
    """Run one op, with its config, and return its output."""

    @job
    def one() -> None:
        made()

    given = None if config is ... else {"ops": {made.name: {"config": config}}}
    return one.execute_in_process(given).output_for_node(node or made.name)


def with_annotation(annotation: Any, default: Any = ...) -> Any:
    """Return an op with a parameter ``config``."""

    def typed(config):  # type: ignore[no-untyped-def]
        return config

    def typed_with_default(config=default):  # type: ignore[no-untyped-def]
        return config

    made = typed if default is ... else typed_with_default
    made.__annotations__ = {"config": annotation}
    return op(made)


@pytest.mark.parametrize(
    ("annotation", "default", "config", "expected"),
    [
        (str, ..., "x", "x"),
        (str, ..., {"env": "CASE"}, "12"),
        (str, "foo", ..., "foo"),
        (str, EnvVar("CASE"), ..., "12"),
        (int, ..., 3, 3),
        (float, ..., 3, 3.0),
        (bool, False, ..., False),
        (dict, ..., {"a": 1}, {"a": 1}),
        (list, ..., [1, "x"], [1, "x"]),
        (Any, ..., [1], [1]),
        (dict[str, int], ..., {"a": 1}, {"a": 1}),
        (Optional[int], None, ..., None),  # noqa: UP045
    ],
)
def test_a_parameter_config_may_be_of_a_plain_type(
    annotation: Any, default: Any, config: Any, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASE", "12")
    seen = answer(with_annotation(annotation, default), config)
    assert (seen, type(seen)) == (expected, type(expected))


def test_a_parameter_config_of_a_plain_type_is_checked_and_shown() -> None:
    with pytest.raises(DagsterInvalidConfigError, match="expected int, got 'x'"):
        answer(with_annotation(int), "x")
    with pytest.raises(DagsterInvalidConfigError, match="needs config: int"):
        answer(with_annotation(int))

    @op
    def both(context: Any, config: int) -> Any:
        return config, context.op_config

    assert answer(both, 3) == (3, 3)


def test_the_config_of_a_context_is_plain_data() -> None:
    @op
    def shows(context: Any, config: Load) -> Any:
        return context.op_config

    assert answer(shows, {"name": "x"}) == {
        "name": "x",
        "limit": None,
        "size": "s",
        "inner": {"n": 1},
    }


def test_optional_fields_need_no_default() -> None:
    assert repr(made_load(name="x")) == answer(loads, {"name": "x"})
    assert made_load(name="x").limit is None

    class Base(Config):
        base: Optional[str]  # noqa: UP045

    class Derived(Base):
        more: Optional[List[int]]  # noqa: UP006, UP045

    derived: Any = Derived
    assert (derived().base, derived().more) == (None, None)
    assert pickle.loads(pickle.dumps(made_load(name="x"))) == made_load(name="x")


class Loose(Config):
    ratio: float = None  # type: ignore[assignment]
    name: str = None  # type: ignore[assignment]


@op
def loose(config: Loose) -> Any:
    return config.ratio, config.name


def test_none_may_be_the_default_of_any_type() -> None:
    assert answer(loose) == (None, None)
    assert answer(loose, {"ratio": None, "name": "x"}) == (None, "x")


@pytest.mark.parametrize(
    ("pet", "expected"),
    [
        ({"cat": {"meows": 3}}, Cat(meows=3)),
        ({"dog": {}}, Dog(kind="dog")),
        ({"hound": None}, Dog(kind="hound")),
        ({"kind": "hound", "barks": 2.0}, Dog(kind="hound", barks=2.0)),
        (Cat(meows=1), Cat(meows=1)),
    ],
)
def test_tagged_unions_have_two_forms(pet: Any, expected: Any) -> None:
    @op
    def owns(config: Owner) -> Any:
        return config.pet

    assert answer(owns, {"pet": pet}) == expected
    assert Owner(pet=pet).pet == expected


@pytest.mark.parametrize(
    ("pet", "problem"),
    [
        ({"cat": {"meows": "x"}}, "pet:cat:meows: expected int"),
        ({"cat": {"kind": "cat", "meows": 3}}, "pet:cat:kind: leave out 'kind'"),
        ({"cat": {}, "dog": {}}, "pet:kind: required key 'kind' is missing"),
        ({}, "pet:kind: required key 'kind' is missing"),
        ({"bird": {}}, "pet:kind: required key 'kind' is missing"),
    ],
)
def test_problems_of_tagged_unions_are_at_their_keys(pet: Any, problem: str) -> None:
    @op
    def owns(config: Owner) -> None: ...

    with pytest.raises(DagsterInvalidConfigError) as caught:
        answer(owns, {"pet": pet})
    assert problem in str(caught.value)


class Nested(Config):
    inner: Inner = Inner(n=6)


@op
def nested(config: Nested) -> int:
    return config.inner.n


def test_a_given_dict_goes_over_the_default_config() -> None:
    assert answer(nested, {"inner": {}}) == 6
    assert answer(nested, {"inner": {"n": 2}}) == 2


def test_a_config_never_changes() -> None:
    for name in ("name", "undeclared"):
        with pytest.raises(DagsterInvalidInvocationError, match=r"model_copy\(update="):
            setattr(made_load(name="x"), name, "y")


def test_a_config_as_a_document_and_as_a_schema() -> None:
    made = made_load(name="x")._convert_to_config_dictionary()
    assert made == {"name": "x", "size": "SMALL", "inner": {"n": 1}}
    assert Owner(pet=Dog(kind="dog"))._convert_to_config_dictionary() == {
        "pet": {"dog": {"barks": 0.5}}
    }
    fields = Load.to_fields_dict()
    assert [(key, field.is_required) for key, field in fields.items()] == [
        ("name", True),
        ("limit", False),
        ("size", False),
        ("inner", False),
    ]
    assert fields["size"].default_value == "SMALL"
    for schema in (Load.to_config_schema(), {**Load.to_fields_dict(), "more": Field(int, 2)}):

        @op(config_schema=schema)
        def plain(context: Any) -> Any:
            return context.op_config

        seen = answer(plain, {"name": "x"})
        assert seen.pop("more", 2) == 2
        assert seen == {"name": "x", "limit": None, "size": "s", "inner": {"n": 1}}


def test_run_configs_are_documents() -> None:
    made = RunConfig(
        ops={"a": made_load(name="x"), "g": {"ops": {"b": Inner()}}, "c": {"config": Inner(n=2)}}
    )
    assert made.to_config_dict() == {
        "loggers": {},
        "resources": {},
        "ops": {
            "a": {"config": {"name": "x", "size": "SMALL", "inner": {"n": 1}}},
            "g": {"ops": {"b": {"config": {"n": 1}}}},
            "c": {"config": {"n": 2}},
        },
        "execution": {},
    }
    assert RunConfig(ops={"a": Inner()}) == RunConfig(ops={"a": {"config": {"n": 1}}})
    assert RunConfig(ops={"a": Inner()}) != RunConfig(ops={"a": Inner(n=2)})
    assert RunConfig().execution == {}
    with pytest.raises(TypeError):
        hash(RunConfig())
    with pytest.raises(DagsterInvalidDefinitionError):
        RunConfig(ops=[1])  # type: ignore[arg-type]


def test_run_configs_reach_ops_of_graphs() -> None:
    @graph
    def inside() -> None:
        counts()

    @job
    def outside() -> None:
        inside()

    run_config = RunConfig(ops={"inside": {"ops": {"counts": Inner(n=7)}}})
    result = outside.execute_in_process(run_config)
    assert result.output_for_node("inside.counts") == 7
    result = outside.execute_in_process(run_config.to_config_dict())
    assert result.output_for_node("inside.counts") == 7


# configured


def doubled(config: Any) -> Any:
    return {"k": 2 * config["a"]}


def test_configured_fixes_config_or_makes_it() -> None:
    five = configured(takes, name="five")({"k": 5})
    assert (five.name, answer(five), answer(five, {})) == ("five", 5, 5)
    double = configured(takes, config_schema={"a": int})(doubled)
    assert (double.name, answer(double, {"a": 2})) == ("doubled", 4)
    assert answer(takes.configured({"k": 1}, name="other")) == 1
    assert answer(takes.configured(doubled, "by_method", {"a": int}), {"a": 4}) == 8
    any_config = configured(takes, name="any_config")(doubled)
    assert answer(any_config, {"a": 3}) == 6


def test_configured_is_a_chain() -> None:
    double = configured(takes, config_schema={"a": int})(doubled)
    assert answer(double.configured({"a": 4}, name="eight")) == 8
    by_number = configured(double, name="by_number", config_schema=int)(lambda n: {"a": n})
    assert answer(by_number, 7) == 14
    with pytest.raises(DagsterInvalidConfigError, match="config:a: expected int"):
        answer(configured(double, name="wrong")({"a": "x"}))


def test_configured_reads_the_annotation_of_its_function() -> None:
    @configured(counts)
    def as_long(config: Load) -> Inner:
        return Inner(n=len(config.name))

    assert answer(as_long, {"name": "abc"}) == 3

    @configured(takes)
    def by_class(config: Inner) -> dict[str, int]:
        return {"k": config.n}

    assert answer(by_class, {"n": 6}) == 6
    assert answer(by_class) == 1


def test_config_that_configured_fixed_cannot_be_given() -> None:
    with pytest.raises(DagsterInvalidConfigError, match="fixed by configured"):
        answer(configured(takes, name="five")({"k": 5}), {"k": 6})


WRONG_USES: list[Callable[[], Any]] = [
    lambda: configured(3)({"x": 1}),
    lambda: configured(takes)({"k": 1}),
    lambda: configured(takes.alias("x"), name="y")({"k": 1}),
    lambda: configured(takes)(lambda a, b: {}),
    lambda: configured(takes, config_schema={"x": int})(annotated),
    lambda: graph(name="plain")(lambda: None).configured({"k": 1}, name="x"),
    lambda: ConfigMapping(config_fn=3),  # type: ignore[arg-type]
    lambda: ConfigMapping(config_fn=doubled, config_schema=[int, str]),
    lambda: config_mapping(lambda: None),  # type: ignore[arg-type, misc]
    lambda: config_mapping(lambda a, b: {}),  # type: ignore[arg-type, misc]
    lambda: config_mapping(config_schema={"x": int})(annotated),
    lambda: graph(name="wrong", config=3)(lambda: None),
]


def annotated(config: Inner) -> dict[str, int]:
    return {"k": config.n}


@pytest.mark.parametrize("use", WRONG_USES)
def test_wrong_uses_are_definition_errors(use: Callable[[], Any]) -> None:
    with pytest.raises(DagsterInvalidDefinitionError):
        use()


# Config mappings of graphs

PLUS_ONE = ConfigMapping(
    config_schema={"a": Field(int, default_value=4)},
    config_fn=lambda config: {"takes": {"config": {"k": config["a"] + 1}}},
)


@graph(config=PLUS_ONE)
def mapped() -> None:
    takes()


@graph(
    config=ConfigMapping(
        config_schema={"b": int},
        config_fn=lambda config: {"mapped": {"config": {"a": config["b"]}}},
    )
)
def outer() -> None:
    mapped()


@graph(config={"takes": {"config": {"k": 5}}})
def fixed() -> None:
    takes()


@graph
def around() -> None:
    mapped()


@graph(config=config_mapping(lambda _: RunConfig(ops={"counts": Inner(n=9)})))
def of_objects() -> None:
    counts()


@job
def nests() -> None:
    mapped()
    mapped.alias("again")()
    outer()
    fixed()
    around()
    of_objects()
    mapped.configured({"a": 20}, name="twenty")()
    configured(mapped, config_schema={"c": int}, name="triple")(lambda c: {"a": 3 * c["c"]})()


def test_graphs_with_a_mapping_take_its_config() -> None:
    result = nests.execute_in_process(
        {
            "ops": {
                "again": {"config": {"a": 10}},
                "outer": {"config": {"b": 30}},
                "triple": {"config": {"c": 5}},
            }
        }
    )
    nodes = [
        "mapped.takes",
        "again.takes",
        "outer.mapped.takes",
        "fixed.takes",
        "around.mapped.takes",
        "of_objects.counts",
        "twenty.takes",
        "triple.takes",
    ]
    assert [result.output_for_node(node) for node in nodes] == [5, 11, 31, 5, 5, 9, 21, 16]


def test_a_job_of_a_graph_with_a_mapping_takes_its_config() -> None:
    made = mapped.to_job()
    assert made.execute_in_process().output_for_node("takes") == 5
    run_config = {"ops": {"config": {"a": 3}}}
    assert made.execute_in_process(run_config).output_for_node("takes") == 4
    over = mapped.to_job(config={"ops": {"config": {"a": 8}}})
    assert over.execute_in_process().output_for_node("takes") == 9
    assert over.execute_in_process(run_config).output_for_node("takes") == 4
    document = scaffold_run_config(nests, compile_job(nests).ops_by_key, {}, only_required=True)
    assert document == {"ops": {"outer": {"config": {"b": 0}}, "triple": {"config": {"c": 0}}}}


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"outer": {}}, "root:ops:outer:config:b: required key 'b' is missing"),
        ({"mapped": {"config": {"a": "x"}}}, "root:ops:mapped:config:a: expected int"),
        ({"mapped": {"ops": {"takes": {}}}}, "root:ops:mapped:ops: unknown key"),
        ({"fixed": {"config": {"k": 1}}}, "root:ops:fixed:config: this config is fixed"),
    ],
)
def test_problems_of_the_config_of_a_mapped_graph(section: Any, problem: str) -> None:
    needed = {"outer": {"config": {"b": 1}}, "triple": {"config": {"c": 1}}}
    with pytest.raises(DagsterInvalidConfigError) as caught:
        nests.execute_in_process({"ops": {**needed, **section}})
    assert [problem in str(each) for each in caught.value.errors] == [True]


def same(made: Any, _config: Any) -> Any:
    return made


def test_a_wrong_result_of_a_mapping_is_told() -> None:
    for made, problem in (
        ({"takes": {"config": {"k": "x"}}}, "takes:config:k: expected int"),
        ({"nobody": {}}, "unknown op"),
        ({}, "the config mapping gives no config for op 'takes'"),
    ):
        mapping = ConfigMapping(functools.partial(same, made))
        wrong = graph(name="wrong", config=mapping)(lambda: takes())
        with pytest.raises(DagsterInvalidConfigError, match=problem):
            wrong.execute_in_process()
    raising = graph(name="raising", config=ConfigMapping(lambda _: 1 / 0))(lambda: takes())
    with pytest.raises(DagsterConfigMappingFunctionError, match="division by zero") as caught:
        raising.execute_in_process()
    assert isinstance(caught.value.user_exception, ZeroDivisionError)


def test_mappings_get_strings_for_enums_on_demand() -> None:
    schema = {"size": Field(Enum.from_python_enum(Size), default_value="LARGE")}
    for processed, seen in ((None, Size.LARGE), (True, Size.LARGE), (False, "LARGE")):
        got = []

        @config_mapping(config_schema=schema, receive_processed_config_values=processed)
        def by_size(config: Any) -> Any:
            got.append(config["size"])  # noqa: B023
            return {}

        @job(config=by_size)
        def sized() -> None:
            counts()

        assert sized.execute_in_process().success
        assert got == [seen]


# Mistakes of declarations

WRONG_SCHEMAS: dict[str, Callable[[], Any]] = {
    "a string": lambda: op(config_schema="int")(takes.fn),
    "a nested string": lambda: op(config_schema={"a": {"b": "int"}})(takes.fn),
    "two types in a list": lambda: op(config_schema=[int, str])(takes.fn),
    "a wrong item": lambda: op(config_schema={"a": ["int"]})(takes.fn),
    "a wrong value of a map": lambda: op(config_schema={str: "int"})(takes.fn),
    "a key that is no scalar": lambda: op(config_schema={list: str})(takes.fn),
    "a set": lambda: op(config_schema={"a": set})(takes.fn),
    "a type of typing": lambda: Field(List[int]),  # noqa: UP006
    "an optional type": lambda: Noneable(Optional[int]),  # noqa: UP045
    "None": lambda: Shape({"a": None}),
    "a class of types": lambda: Noneable(Permissive),
    "a type of values": lambda: Array(DagsterType(name="T", type_check_fn=lambda _, __: True)),
    "no dict": lambda: Shape([int]),  # type: ignore[arg-type]
    "no arms": lambda: Selector({}),
    "a map of optional keys": lambda: Map(Noneable(str), int),
    "a field in an array": lambda: Array(Field(int)),
    "no values": lambda: Enum("E", []),
    "a value twice": lambda: Enum("E", [EnumValue("a"), EnumValue("a")]),
    "a default of another type": lambda: Field(int, default_value="x"),
    "a default deep inside": lambda: Field({"a": int}, default_value={"a": "x"}),
    "a default without a key": lambda: Field({"a": int}, default_value={}),
    "a member as a default": lambda: Field(Enum.from_python_enum(Size), default_value=Size.LARGE),
    "a function as a default": lambda: Field(Any, default_value=lambda: 3),
    "a required default": lambda: Field(int, default_value=3, is_required=True),
    "a wrong union": lambda: ScalarUnion(str, "int"),
    "two schemas": lambda: op(config_schema={"a": int})(counts.fn),
    "a default of a Config": lambda: with_annotation(Inner, Inner()),
    "no annotation": lambda: op(unannotated),
    "an object": lambda: with_annotation(object_class("Outside", Foreign)),
    "an object inside": lambda: with_annotation(object_class("Around", list[Foreign])),
    "a wrong default of a class": lambda: with_annotation(object_class("Wrong", int, "x")),
    "a Field of a schema": lambda: with_annotation(object_class("Mixed", int, Field(int))),
}


class Foreign:
    """A class that no run config can be."""


def unannotated(config):  # type: ignore[no-untyped-def]
    return config


def object_class(name: str, annotation: Any, default: Any = ...) -> Any:
    return pydantic.create_model(name, __base__=Config, value=(annotation, default))


@pytest.mark.parametrize("mistake", WRONG_SCHEMAS)
def test_wrong_schemas_are_refused_where_they_are_declared(mistake: str) -> None:
    with pytest.raises(DagsterInvalidConfigDefinitionError):
        WRONG_SCHEMAS[mistake]()


def test_wrong_defaults_are_errors_of_config_too() -> None:
    with pytest.raises(DagsterInvalidConfigError, match="the default 'x' of a Field") as caught:
        Field(int, default_value="x")
    assert [str(each) for each in caught.value.errors] == ["root: expected int, got 'x' (str)."]
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_fields_tell_what_they_are() -> None:
    assert (Field(int).is_required, Field(Noneable(int)).is_required) == (True, False)
    assert Field(Noneable(int)).default_value is None
    made = Field(StringSource, default_value="x", description="a word", is_secret=True)
    assert (made.is_required, made.default_provided) == (False, True)
    assert (made.description, made.is_secret, made.config_type) == ("a word", True, StringSource)


def test_shapes_have_other_keys_for_fields() -> None:
    made = op(config_schema=Shape({"rows": int}, field_aliases={"rows": "lines"}))(unread.fn)
    assert answer(made, {"rows": 1}) == answer(made, {"lines": 1}) == {"rows": 1}
    with pytest.raises(DagsterInvalidConfigError, match="and not both"):
        answer(made, {"rows": 1, "lines": 2})


@op
def unread(context: Any) -> Any:
    return context.op_config


def test_an_input_of_a_config_class_is_a_warning() -> None:
    def misnamed(settings):  # type: ignore[no-untyped-def]
        return settings

    misnamed.__annotations__ = {"settings": Inner}
    with pytest.warns(UserWarning, match="'settings' is annotated with the Config class Inner"):
        op(misnamed)


def test_permissive_configs_have_further_fields() -> None:
    assert answer(free, {"n": 1, "more": {"a": None}}) == (1, {"n": 1, "more": {"a": None}})


class Free(PermissiveConfig):
    n: int


@op
def free(config: Free) -> Any:
    return config.n, config.model_dump()


def test_validate_run_config_fills_in_defaults() -> None:
    @op
    def start(a: int) -> int:
        return a

    @graph
    def both() -> None:
        counts()
        start()

    @job
    def one() -> None:
        both()

    given = {"ops": {"both": {"ops": {"start": {"inputs": {"a": 1}}}}}}
    assert validate_run_config(one, given) == {
        "ops": {
            "both": {"config": None, "inputs": {}, "outputs": None},
            "both.counts": {"config": {"n": 1}, "inputs": {}, "outputs": None},
            "both.start": {"config": None, "inputs": {"a": 1}, "outputs": None},
        },
        "execution": {
            "multi_or_in_process_executor": {
                "multiprocess": {"max_concurrent": None, "retries": {"enabled": {}}}
            }
        },
        "resources": {"io_manager": {"config": None}},
        "loggers": {},
    }


@pytest.mark.parametrize(
    ("executor", "given", "expected"),
    [
        (in_process_executor, {}, {"in_process": {"retries": {"enabled": {}}}}),
        (
            multiprocess_executor,
            {"config": {"max_concurrent": 2}},
            {"multiprocess": {"max_concurrent": 2, "retries": {"enabled": {}}}},
        ),
        (
            None,
            {"config": {"in_process": {"retries": {"disabled": {}}}}},
            {"multi_or_in_process_executor": {"in_process": {"retries": {"disabled": {}}}}},
        ),
    ],
)
def test_validate_run_config_fills_in_the_executor(
    executor: Any, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    @job(executor_def=executor)
    def one() -> None:
        counts()

    assert validate_run_config(one, {"execution": given})["execution"] == expected
    loggers = {"console": {"config": {"log_level": "INFO"}}}
    filled = validate_run_config(one, {"loggers": loggers})
    assert filled["loggers"] == {"console": {"config": {"log_level": "INFO", "name": "dagster"}}}


def test_validate_run_config_takes_run_config_and_refuses_others() -> None:
    @job
    def one() -> None:
        counts()

    filled = validate_run_config(one, RunConfig(ops={"counts": Inner(n=2)}))
    assert filled["ops"]["counts"]["config"] == {"n": 2}
    with pytest.raises(DagsterInvalidConfigError):
        validate_run_config(one, {"ops": {"counts": {"config": {"n": "x"}}}})
    with pytest.raises(InvariantError, match="validate_run_config takes a job, got OpDefinition"):
        validate_run_config(counts)  # type: ignore[arg-type]


def test_run_config_may_configure_the_io_manager_of_a_job_without_one(tmp_path: Path) -> None:
    @op
    def gives() -> int:
        return 1

    @job(executor_def=in_process_executor)
    def one() -> None:
        gives()

    given = {"resources": {"io_manager": {"config": {"base_dir": str(tmp_path)}}}}
    assert one.execute_in_process(given).success
    assert list(tmp_path.iterdir()) == []  # it is of memory, and its config has no effect
    result = execute_job(one, None, given, store=False)
    assert result.success
    assert [each.name for each in tmp_path.rglob("*") if each.is_file()] == ["result"]
    wrong = {"resources": {"io_manager": {"config": {"nowhere": 1}}}}
    with pytest.raises(DagsterInvalidConfigError, match="root:resources:io_manager:config:nowhere"):
        execute_job(one, None, wrong, store=False)
