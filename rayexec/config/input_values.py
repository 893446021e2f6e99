"""Values of unconnected inputs, read from run config."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, BinaryIO, NamedTuple

from rayexec.config.file_owners import trusted_owners
from rayexec.definitions.schemas.schema import validate
from rayexec.definitions.types.dagster_type import DagsterType
from rayexec.definitions.types.type_loaders import (
    DagsterTypeLoader,
    DictLoader,
    ItemsLoader,
    MappingLoader,
    OptionalLoader,
    PlainLoader,
    TupleLoader,
    UnloadedInput,
)
from rayexec.errors import Problem, StoreError
from rayexec.private_directory import StrangerError

__all__ = ["BadInputError", "LoadedValue", "load_input", "without_files"]


_ROOT = 0
_refuses_files = ContextVar("_refuses_files", default=False)
#: Forms of a value that name its source.
_FORMS = ("value", "json", "pickle")


class BadInputError(Exception):
    """A value of the wrong form or type for its input."""


class LoadedValue(NamedTuple):
    """The value of an input, or its config as an UnloadedInput where the step makes the value."""

    value: Any
    #: Whether a file has the value, or a part of it.
    is_in_file: bool


def load_input(kind: DagsterType, given: Any) -> LoadedValue:
    """Return the value of an input: the given one, or the one that a loader reads.

    Raises BadInputError.
    """
    loader = kind.loader
    if loader is None:
        raise BadInputError(
            f"values of type {kind.name} cannot be given by run config; use input_values"
        )
    reader = _Reader()
    read = reader.read(loader, given, "")
    if loader.runs_in_step:
        return LoadedValue(UnloadedInput(read), reader.has_files)
    value = loader.construct_from_config_value(None, read)
    wrong = None if kind.is_custom else kind.check(value)  # a check of a user needs a step
    if wrong is not None:
        raise BadInputError(wrong)
    return LoadedValue(value, reader.has_files)


class _Reader:
    """Checks the config of a value against its loader, and reads the files that it names."""

    def __init__(self) -> None:
        self.has_files = False

    def read(self, loader: DagsterTypeLoader, given: Any, where: str) -> Any:
        """Return what ``construct_from_config_value`` takes; ``where`` is the part of the value."""
        if isinstance(loader, PlainLoader):
            return self._plain(loader, given, where)
        if isinstance(loader, OptionalLoader):
            return None if given is None else self.read(loader.inner[0], given, where)
        if isinstance(loader, (ItemsLoader, TupleLoader)):
            if not isinstance(given, (list, tuple)):
                raise _bad(where, f"expected a list, got {given!r}")
            inner = loader.inner
            if isinstance(loader, ItemsLoader):
                inner = inner * len(given)
            elif len(given) != len(inner):
                raise _bad(where, f"expected {len(inner)} items, got {len(given)}")
            return [
                self.read(each, item, f"{where}[{index}]")
                for index, (each, item) in enumerate(zip(inner, given, strict=True))
            ]
        if isinstance(loader, (DictLoader, MappingLoader)):
            if not isinstance(given, Mapping):
                raise _bad(where, f"expected a dict, got {given!r}")
            if isinstance(loader, MappingLoader):
                return dict(given)
            return {
                key: self.read(loader.inner[0], value, f"{where}[{key!r}]")
                for key, value in given.items()
            }
        return _valid(loader.schema_type, given, where)

    def _plain(self, loader: PlainLoader, given: Any, where: str) -> Any:
        value = given
        if isinstance(given, Mapping) and len(given) == 1 and next(iter(given)) in _FORMS:
            ((form, argument),) = given.items()
            self.has_files |= form != "value"
            value = argument if form == "value" else _from_file(form, argument)
        elif loader.kind is None:
            raise _bad(
                where,
                f"a value of any type has the form {{value: …}}, {{json: …}} or {{pickle: …}}, "
                f"got {given!r}",
            )
        return value if loader.kind in (None, object) else _valid(loader.kind, value, where)


def _valid(schema: Any, given: Any, where: str) -> Any:
    value, problems = validate(schema, given)
    if problems:
        raise _bad(where, "; ".join(_in_words(each) for each in problems))
    return value


def _in_words(problem: Problem) -> str:
    return ": ".join([*([":".join(problem.path)] if problem.path else []), problem.message])


def _bad(where: str, message: str) -> BadInputError:
    return BadInputError(f"item {where}: {message}" if where else message)


@contextlib.contextmanager
def without_files() -> Iterator[None]:
    """Refuse values in files during the ``with`` block, for config of somebody else."""
    token = _refuses_files.set(True)
    try:
        yield
    finally:
        _refuses_files.reset(token)


def _from_file(loader: str, argument: Any) -> Any:
    if _refuses_files.get():
        raise BadInputError("a read-only server reads no files for its readers")
    path = argument.get("path") if isinstance(argument, Mapping) else None
    if not isinstance(path, (str, os.PathLike)):
        raise BadInputError(
            f"expected {{{loader}: {{path: FILE}}}}, got {{{loader}: {argument!r}}}"
        )
    try:
        if loader == "json":
            with open(path, "rb") as file:
                content = json.load(file)
            # Dagster's files of inputs have the value under this key.
            is_wrapped = isinstance(content, dict) and "value" in content
            return content["value"] if is_wrapped else content
        with _opened_pickle(path) as file:
            return pickle.load(file)
    except (StrangerError, StoreError) as error:
        raise BadInputError(str(error)) from None
    except OSError as error:
        raise BadInputError(f"cannot read {os.fspath(path)!r}: {error.strerror}") from None
    except Exception as error:  # unpickling may raise any exception
        raise BadInputError(
            f"{os.fspath(path)!r} is not {loader}: {type(error).__name__}: {error}"
        ) from None


def _opened_pickle(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file whose content runs code; raises StrangerError if others could have written it.

    Somebody else may have written the config with the path, and anybody what is in ``/tmp``.
    """
    owners = trusted_owners()
    owners = replace(owners, uids=owners.uids | {_ROOT})  # installed data is the administrator's
    return owners.open(os.path.realpath(path), levels=0)
