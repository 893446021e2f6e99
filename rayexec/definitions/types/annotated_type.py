"""Types made of annotations, and their checks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rayexec.definitions.types.dagster_type import DagsterType, TypeCheck, mismatch
from rayexec.definitions.types.type_loaders import DagsterTypeLoader

__all__ = ["AnnotatedType"]


class AnnotatedType(DagsterType):
    """A type made of an annotation.

    It may have types inside. If one of them takes a context, so does this.
    """

    #: The function that makes the type again in another process, and its arguments.
    made_by: tuple[Callable[..., DagsterType], tuple[Any, ...]]

    def __init__(
        self,
        annotation: Any,
        test: Callable[..., bool] | None,
        *inner: DagsterType,
        name: str,
        key: str = "",
        display: str = "",
        typing_type: Any = None,
        loader: DagsterTypeLoader | None = None,
        unique: bool = False,
        takes_list: bool = False,
    ) -> None:
        key, display = key or name, display or name
        super().__init__(
            self._check,
            key,
            display,
            loader=loader,
            required_resource_keys=frozenset().union(*(i.required_resource_keys for i in inner)),
            typing_type=annotation if typing_type is None else typing_type,
        )
        self.name = name
        self.annotation = annotation
        self.inner_types = inner
        self.is_custom = any(each.is_custom for each in inner)
        self.takes_list = takes_list
        self._display = display
        if not unique:
            self._unique_name = None
        self._test = test
        if test is not None and not self.is_custom:
            self.accepts = partial(test, *(each.accepts for each in inner)) if inner else test

    def __reduce__(self) -> tuple[Any, ...]:
        return self.made_by

    @property
    def display_name(self) -> str:
        return self._display

    def check(self, value: object, context: object = None) -> str | None:
        """Return the mistake in ``value``, or None if it passes."""
        if self.is_custom:
            return super().check(value, context)
        if self.accepts is None or self.accepts(value):
            return None
        return mismatch(self.name, value)

    def _check(self, context: object, value: object) -> bool | TypeCheck:
        if not self.is_custom:
            wrong = self.check(value)
            return TypeCheck(wrong is None, wrong)
        failed: list[TypeCheck] = []

        def passes(kind: DagsterType, item: object) -> bool:
            verdict = kind.type_check(context, item)
            if not verdict.success:
                failed.append(verdict)
            return verdict.success

        assert self._test is not None  # A type with types inside has a test.
        if self._test(*(partial(passes, each) for each in self.inner_types), value):
            return TypeCheck(True)
        return failed[-1] if failed else TypeCheck(False, mismatch(self.name, value))
