"""Immutable objects of named fields, cheap to define."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from rayexec.errors import DefinitionError

__all__ = ["FrozenRecord", "PlainRecord"]


class FrozenRecord:
    """An immutable object of named fields; equal to one of its class with equal fields.

    A dataclass would compile its methods at each import.
    """

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    @classmethod
    def unchecked(cls, **fields: Any) -> Any:
        """Return an object with fields that a former version may have checked otherwise."""
        record = object.__new__(cls)
        record.__dict__.update(fields)
        return record

    def _check(self, name: str, value: object, *kinds: type) -> None:
        """Raise DefinitionError for a field of another type; a bool is no number but an int."""
        if not isinstance(value, kinds):
            expected = " or ".join(
                "None" if each is type(None) else each.__name__ for each in kinds
            )
            raise DefinitionError(
                f"{type(self).__name__}: {name} must be {expected}, got {value!r} "
                f"({type(value).__name__})."
            )

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable, so {name!r} can't be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable, so {name!r} can't be deleted")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({fields})"


class PlainRecord(FrozenRecord):
    """A record with a JSON-able form, ``plain``, which ``from_plain`` reads back.

    By default that is its one field, ``main_field``. A field with its own two methods of these
    names is stored in that form.
    """

    main_field: ClassVar[str] = "value"

    @property
    def plain(self) -> Any:
        """The record as JSON-able data."""
        value = self.__dict__[self.main_field]
        return getattr(value, "plain", value)

    @classmethod
    def from_plain(cls, plain: Any) -> Any:
        """Return the record that became ``plain``; its fields may be of former types."""
        return cls.unchecked(**{cls.main_field: plain})
