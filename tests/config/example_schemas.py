"""Config classes and schemas for the tests of schemas, and readers of problems."""

from __future__ import annotations

import datetime
import enum
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pydantic
import pytest

from rayexec.definitions.config_models import Config, PermissiveConfig
from rayexec.definitions.environment_values import EnvVar
from rayexec.definitions.schemas.config_types import Enum, Field, Noneable, Selector


class Color(enum.Enum):
    RED = 1
    GREEN = "g"


class Inner(Config):
    x: int


def unread(name: str) -> Inner:
    """An Inner with a field to read from the environment."""
    values: dict[str, Any] = {"x": EnvVar(name)}
    return Inner.model_construct(**values)


class Tuned(Config):
    x: int = 1


class Cat(Config):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(Config):
    kind: Literal["dog"] = "dog"
    tricks: list[str] = []  # noqa: RUF012


Pet = Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]


class Aliased(Config):
    count: int = pydantic.Field(alias="n")


class Load(Config):
    n: Annotated[int, pydantic.Field(ge=3)] = 3
    ratio: float = 0.5
    name: str = "x"
    dry: bool = False
    color: Color = Color.RED
    limit: Optional[int] = None  # noqa: UP045
    inner: Inner = Inner(x=1)
    many: tuple[Tuned, ...] = ()
    either: int | str = 1
    number: float | int = 1
    shape: Inner | str = "s"
    either_shape: Aliased | Inner = Inner(x=1)
    pet: Pet = Cat()
    pets: list[Pet] = []  # noqa: RUF012
    at: datetime.datetime = datetime.datetime(2020, 1, 1)
    path: Path = Path("/x")
    counts: dict[str, int] = {}  # noqa: RUF012
    pair: tuple[int, str] = (1, "a")
    ids: set[int] = set()  # noqa: RUF012
    mode: Literal["a", "b"] = "a"
    short: Annotated[list[str], pydantic.Field(max_length=1)] = []  # noqa: RUF012
    anything: Any = None
    by_color: dict[Color, int] = {}  # noqa: RUF012
    by_any: dict[int | str, list[int]] = {}  # noqa: RUF012

    @pydantic.field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        if name == "bad":
            raise ValueError("this name is taken")
        return name

    @pydantic.model_validator(mode="after")
    def _whole(self) -> Load:
        if self.ratio > 5:
            raise ValueError("ratio and n do not go together")
        return self


class Open(PermissiveConfig):
    x: int


class Either(Config):
    model_config = pydantic.ConfigDict(populate_by_name=True)
    count: int = pydantic.Field(alias="n", ge=3)


class Tree(Config):
    size: int = 0
    branches: list[Tree] = []  # noqa: RUF012


class FromEnv(Config):
    n: int = EnvVar("TWELVE")  # type: ignore[assignment]
    inner: Optional[Inner] = None  # noqa: UP045


class Crashing(Config):
    n: int = 0

    @pydantic.model_validator(mode="before")
    @classmethod
    def _crash(cls, data: Any) -> Any:
        return data if data["n"] < 5 else data["missing"]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOPE", raising=False)
    for name, text in {"TWELVE": "12", "YES": "True", "NO": "0", "WORD": "hunter2"}.items():
        monkeypatch.setenv(name, text)


COLOR = Enum.from_python_enum(Color)
SHAPE = {"n": int, "name": Field(str, "x"), "skip": Field(int, is_required=False)}
ONLY_ARM = Selector({"a": {"q": Field(int, 3)}})
ARMS = Selector(
    {"a": Field(int, 5), "b": {"r": int}, "c": {"q": Field(int, 3)}, "d": Noneable(int)}
)


def texts_of(problems: list[Any]) -> list[tuple[str, str]]:
    return [(":".join(problem.path), problem.message) for problem in problems]


def same(problems: list[Any], expected: list[tuple[str, str | None]]) -> bool:
    """Compare problems; a message of None stands for any."""
    texts = texts_of(problems)
    return [path for path, _ in texts] == [path for path, _ in expected] and all(
        wanted is None or message == wanted
        for (_, message), (_, wanted) in zip(texts, expected, strict=True)
    )
