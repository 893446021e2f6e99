"""Cases of config: sources of Config classes and schemas, documents, and what an op then sees.

Both libraries run them: Dagster where the tables are recorded, and rayexec in the tests. So this
module imports neither.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pydantic

#: Variables that documents and defaults name; ABSENT_VARIABLE is not set.
VARIABLES = {
    "CASE_TEXT": "seven",
    "CASE_INT": "7",
    "CASE_NEGATIVE": "-3",
    "CASE_TRUE": "True",
    "CASE_FALSE": "false",
    "CASE_EMPTY": "",
}


@dataclasses.dataclass(frozen=True)
class Case:
    """One document for one declaration."""

    #: The Config class, or the schema.
    source: str
    document: Any
    #: The op's config in words; None where Dagster refuses the document.
    seen: str | None


def read_table(path: Path) -> Iterator[tuple[str, bool, list[Case]]]:
    """Yield each declaration, whether Dagster takes it, and its cases."""
    for line in path.read_text().splitlines():
        row = json.loads(line)
        cases = [Case(row["source"], document, seen) for document, seen in row.get("cases", [])]
        yield row["source"], "cases" in row, cases


def declared_class(source: str, library: ModuleType) -> type[Any]:
    """Return the class ``Top`` of ``source``, which names the parts of a library bare."""
    names = _names(library)
    exec(compile(source, "config_cases", "exec", dont_inherit=True), names)
    declared: type[Any] = names["Top"]
    return declared


def declared_schema(source: str, library: ModuleType) -> Any:
    """Return the schema that the expression ``source`` makes."""
    names = _names(library)
    names["Color"] = enum.Enum("Color", {"RED": "red", "BLUE": "blue"})
    return eval(compile(source, "config_cases", "eval", dont_inherit=True), names)


def _names(library: ModuleType) -> dict[str, Any]:
    names: dict[str, Any] = dict(vars(typing))
    names |= {"enum": enum, "pydantic": pydantic, "__name__": "config_cases"}
    for name in [
        "Array",
        "Bool",
        "BoolSource",
        "Config",
        "Enum",
        "EnumValue",
        "Field",
        "Float",
        "Int",
        "IntSource",
        "Map",
        "Noneable",
        "Permissive",
        "PermissiveConfig",
        "ScalarUnion",
        "Selector",
        "Shape",
        "String",
        "StringSource",
    ]:
        names[name] = getattr(library, name)
    return names


def op_of_class(declared: type[Any], library: ModuleType) -> Any:
    """Return an op whose output is its config in words."""

    def configured_op(config):  # type: ignore[no-untyped-def]
        return in_words(config)

    configured_op.__annotations__ = {"config": declared}
    return library.op(configured_op)


def op_of_schema(schema: Any, library: ModuleType) -> Any:
    """Return an op whose output is its config in words."""

    def configured_op(context):  # type: ignore[no-untyped-def]
        return in_words(context.op_config)

    return library.op(config_schema=schema)(configured_op)


def job_of(configured_op: Any, library: ModuleType) -> Any:
    """Return a job of that one op."""

    def one_op():  # type: ignore[no-untyped-def]
        configured_op()

    return library.job(one_op)


def run_config_of(document: Any) -> dict[str, Any]:
    """Return run config with ``document`` for the op; without it for the string ABSENT."""
    return {} if document == "ABSENT" else {"ops": {"configured_op": {"config": document}}}


def in_words(value: Any) -> str:
    """Return a value in words, the same for both libraries."""
    if isinstance(value, enum.Enum):
        return str(value)
    if isinstance(value, pydantic.BaseModel):
        fields = dict(value)
        private = value.__pydantic_private__ or {}
        listed = [f"{name}={in_words(each)}" for name, each in (fields | private).items()]
        return f"{type(value).__name__}({', '.join(listed)})"
    if isinstance(value, Mapping):
        # The order of keys is no part of a config.
        listed = sorted(f"{key!r}: {in_words(each)}" for key, each in value.items())
        return f"{{{', '.join(listed)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(in_words, value))}]"
    return repr(value)
