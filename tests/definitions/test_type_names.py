"""Dagster's names of types, types of users, and the names that types show; answers by Dagster."""

import collections.abc
import pickle
import types
import typing
from collections.abc import Callable
from typing import Any

import pytest
from ray import cloudpickle

import rayexec
from rayexec import (
    DagsterType,
    DefinitionError,
    Failure,
    In,
    InvariantError,
    Nothing,
    Out,
    PythonObjectDagsterType,
    TypeCheck,
    check_dagster_type,
    dagster_type_loader,
    job,
    make_python_type_usable_as_dagster_type,
    op,
    usable_as_dagster_type,
)
from rayexec.definitions.types.type_resolution import resolve_type

# As a public file has them; a type checker knows those of typing only.
names: Any = rayexec


class Thing:
    pass


def is_even(_context: object, value: object) -> bool:
    return isinstance(value, int) and value % 2 == 0


EVEN: Any = DagsterType(is_even, name="Even")


@pytest.mark.parametrize(
    ("annotation", "display_name", "key", "typing_type", "has_loader"),
    [
        (names.Int, "Int", "Int", int, True),
        (names.String, "String", "String", str, True),
        (names.Float, "Float", "Float", float, True),
        (names.Bool, "Bool", "Bool", bool, True),
        (names.Any, "Any", "Any", Any, True),
        (Nothing, "Nothing", "Nothing", type(None), False),
        (type(None), "Nothing", "Nothing", type(None), False),
        (names.List, "[Any]", "List.Any", typing.List[Any], True),  # noqa: UP006
        (list, "[Any]", "List.Any", typing.List[Any], True),  # noqa: UP006
        (typing.List, "[Any]", "List.Any", typing.List[Any], True),  # noqa: UP006
        (names.List[names.Int], "[Int]", "List.Int", typing.List[int], True),  # noqa: UP006
        (list[int], "[Int]", "List.Int", typing.List[int], True),  # noqa: UP006
        (collections.abc.Sequence[int], "[Int]", "List.Int", typing.List[int], True),  # noqa: UP006
        (names.List[Thing], "[Thing]", None, typing.List[Thing], False),  # noqa: UP006
        (names.Dict, "dict", "PythonDict", dict, True),
        (typing.Dict, "dict", "PythonDict", dict, True),  # noqa: UP006
        (names.Dict[str, int], "Dict[String,Int]", "TypedPythonDict.String.Int", None, True),
        (names.Dict[int, int], "Dict[Int,Int]", "TypedPythonDict.Int.Int", None, False),
        (names.Set, "set", "PythonSet", set, False),
        (names.Set[int], "Set[Int]", "TypedPythonSet.Int", typing.Set[int], True),  # noqa: UP006
        (names.Tuple, "tuple", "PythonTuple", tuple, False),
        (typing.Tuple, "tuple", "PythonTuple", tuple, False),  # noqa: UP006
        (names.Tuple[int, str], "Tuple[Int,String]", "TypedPythonTupleInt.String", None, True),
        (names.Optional[int], "Int?", "Optional.Int", typing.Optional[int], True),  # noqa: UP045
        (int | None, "Int?", "Optional.Int", typing.Optional[int], True),  # noqa: UP045
        (names.Optional[names.List[str]], "[String]?", "Optional.List.String", None, True),
        (Thing, "Thing", f"_TypeHintInferred[{__name__}.Thing]", Thing, False),
        (EVEN, "Even", "Even", Any, False),
        (names.List[EVEN], "[Even]", "List.Even", typing.List[Any], False),  # noqa: UP006
    ],
)
def test_the_names_of_types_are_those_of_dagster(
    annotation: Any, display_name: str, key: str | None, typing_type: Any, has_loader: bool
) -> None:
    kind = resolve_type(annotation)
    assert kind.display_name == display_name
    assert key is None or kind.key == key
    assert typing_type is None or kind.typing_type == typing_type
    assert (kind.loader is not None) is has_loader


def test_names_of_their_own_belong_to_types_that_are_not_made_of_others() -> None:
    assert resolve_type(int).unique_name == "Int"
    assert EVEN.unique_name == "Even"
    assert not resolve_type(list[int]).has_unique_name
    with pytest.raises(InvariantError, match="has no name of its own"):
        _ = resolve_type(list[int]).unique_name


@pytest.mark.parametrize(
    ("annotation", "passes", "fails"),
    [
        (names.List[EVEN], [[], [2, 4]], [[1], (2,), 2]),
        (names.Optional[EVEN], [None, 2], [1]),
        (names.Dict[str, EVEN], [{"a": 2}], [{"a": 1}, {1: 2}]),
        (names.Tuple[int, EVEN], [(1, 2)], [(1, 1), (2,)]),
        (names.Set[EVEN], [{2}], [{1}]),
        (list[EVEN] | int, [[2], 1], [[1], "x"]),
        (names.Optional[names.Any], [None, 2], []),
        (PythonObjectDagsterType(int), [1, True], ["x"]),
        (PythonObjectDagsterType((int, str)), [1, "x"], [1.0]),
    ],
)
def test_types_of_users_are_checked_inside_of_others(
    annotation: Any, passes: list[Any], fails: list[Any]
) -> None:
    for value in passes:
        assert check_dagster_type(annotation, value).success, value
    for value in fails:
        assert not check_dagster_type(annotation, value).success, value
    travelled = pickle.loads(cloudpickle.dumps(resolve_type(annotation)))
    assert travelled == resolve_type(annotation)
    assert all(not travelled.type_check(None, value).success for value in fails)


def test_the_verdict_of_an_inner_check_is_that_of_the_whole() -> None:
    told = DagsterType(lambda _context, _value: TypeCheck(False, "because"), name="Told")
    assert check_dagster_type(names.List[told], [1]).description == "because"


def test_a_failure_in_a_check_is_a_failed_check_and_other_results_are_refused() -> None:
    def fail(_context: object, _value: object) -> bool:
        raise Failure("no good")

    verdict = check_dagster_type(DagsterType(fail, name="Failing"), 1)
    assert (verdict.success, verdict.description) == (False, "no good")
    odd: Any = lambda _context, _value: 1  # no bool
    with pytest.raises(InvariantError, match="must return a bool or a TypeCheck"):
        check_dagster_type(DagsterType(odd, name="Odd"), 1)


def test_equal_types_of_users_are_not_mixed_up() -> None:
    never = DagsterType(lambda _context, _value: False, name="Even")
    assert never == EVEN
    assert check_dagster_type(names.List[EVEN], [2]).success
    assert not check_dagster_type(names.List[never], [2]).success
    assert not check_dagster_type(names.Optional[never], 2).success


def test_a_class_may_have_a_type_of_its_own() -> None:
    @usable_as_dagster_type
    class Plain:
        pass

    @usable_as_dagster_type(name="Renamed", description="text")
    class Given:
        pass

    class Later:
        pass

    make_python_type_usable_as_dagster_type(Later, EVEN)
    assert resolve_type(Plain).display_name == "Plain"
    assert check_dagster_type(Plain, Plain()).success
    assert not check_dagster_type(Plain, 1).success
    given = resolve_type(Given)
    assert (given.display_name, given.description) == ("Renamed", "text")
    assert resolve_type(Later) is EVEN
    assert check_dagster_type(list[Later], [2]).success
    make_python_type_usable_as_dagster_type(Later, EVEN)  # once more, without effect
    with pytest.raises(DefinitionError, match="already has a DagsterType"):
        make_python_type_usable_as_dagster_type(Later, DagsterType(is_even, name="Other"))


def test_a_class_that_an_op_uses_gets_no_type_any_more() -> None:
    class Used:
        pass

    @op
    def use(x: Used) -> None: ...

    assert resolve_type(Used).display_name == "Used"
    with pytest.raises(DefinitionError, match="an op already uses the class Used"):
        make_python_type_usable_as_dagster_type(Used, EVEN)


def one_parameter(value: object) -> bool:
    return bool(value)


wrong: Any = DagsterType  # called with wrong arguments
wrong_object_type: Any = PythonObjectDagsterType
not_a_loader: Any = one_parameter


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: wrong(is_even), "needs a name"),
        (lambda: wrong(names.Int, name=3), "needs a name"),
        (lambda: wrong(one_parameter, name="One"), "takes a context and the value"),
        (lambda: wrong(5, name="Five"), "must be a function"),
        (lambda: wrong(is_even, name="L", loader=is_even), "@dagster_type_loader"),
        (lambda: wrong_object_type(5), "a class or a tuple of classes"),
        (lambda: dagster_type_loader(int)(not_a_loader), "takes a context and the config"),
        (lambda: names.List[Nothing], "cannot be inside"),
        (lambda: names.Optional[Nothing], "cannot be inside"),
        (lambda: names.Dict[int], "two types"),
        (lambda: In("int"), "is not a type"),
        (lambda: In(5), "is not a type"),
        (lambda: Out({}), "is not a type"),
        (lambda: Out([int]), "is not a type"),
        (lambda: In(DagsterType), "itself is not a type"),
        (lambda: In(int, default_value="x"), "default of an input is wrong"),
        (lambda: In(float, default_value=1), "default of an input is wrong"),
        (lambda: In(str, default_value=None), "default of an input is wrong"),
        (lambda: In(Nothing, default_value=1), "passes no value"),
    ],
)
def test_mistakes_in_declarations(declare: Callable[[], object], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        declare()


def test_defaults_that_dagster_checks_in_the_step_only() -> None:
    assert In(list[int], default_value=["x"]).has_default_value
    assert In(names.Optional[int], default_value="x").has_default_value
    assert In(int, default_value=True).default_value is True


def test_an_input_without_a_type_and_one_of_type_none() -> None:
    assert In().type.display_name == "Any"
    assert In(None).type.display_name == "Any"
    assert Out(None).type.display_name == "Any"


def test_types_are_inferred_from_annotations_of_dagsters_names() -> None:
    @op
    def typed(
        a: names.List[int],
        b: names.Optional[str] = None,
    ) -> names.Dict[str, int]:
        return {"n": len(a)}

    @job
    def run_it() -> None:
        typed()

    config = {"ops": {"typed": {"inputs": {"a": [1, 2]}}}}
    assert run_it.execute_in_process(config).output_for_node("typed") == {"n": 2}
    assert typed.ins["b"].type.display_name == "String?"
    assert typed.outs["result"].type.display_name == "Dict[String,Int]"


def test_strings_in_annotations_are_evaluated() -> None:
    class Local:
        pass

    def quoted(a: Any, b: Any, c: Any, d: Any, e: Any) -> Any: ...

    inside: Any = types.GenericAlias(list, ("Thing",))
    quoted.__annotations__ = {
        "a": "int",
        "b": inside,
        "c": "list[Local]",
        "d": "'str'",  # quoted, in a module whose annotations are strings
        "e": "Missing",
        "return": "None",
    }
    made = op(quoted)
    shown = {name: declared.type.display_name for name, declared in made.ins.items()}
    assert shown == {"a": "Int", "b": "[Thing]", "c": "Any", "d": "String", "e": "Any"}
    assert made.outs["result"].type.is_nothing

    @op
    def in_closure(c: "list[Local]") -> "Local":
        return Local()

    assert in_closure.outs["result"].type.display_name == "Local"


def test_a_parameter_cannot_be_none() -> None:
    with pytest.raises(DefinitionError, match="passes no value"):

        @op
        def nothing(x: None) -> None: ...


def test_metadata_of_a_check_has_kinds() -> None:
    check = TypeCheck(False, metadata={"a": 1})
    assert check.metadata is not None
    assert check.metadata["a"].value == 1
    with pytest.raises(DefinitionError, match="success is a bool"):
        TypeCheck(1)  # type: ignore[arg-type]  # wrong on purpose
