"""Random sources of Config classes, and random documents for them."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from typing import Any

#: A field's annotation, with a function that makes a good value for it.
INNERS = """
class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"

class Size(int, enum.Enum):
    S = 1
    L = 3

class Point(Config):
    x: int
    y: int = 2

class Loose(PermissiveConfig):
    a: str

class Deep(Config):
    point: Point
    names: List[str] = []
    note: Optional[str]

class Calm(Config):
    limit: int = 5
    label: Optional[str] = None

class Cat(Config):
    kind: Literal["cat"] = "cat"
    meows: int

class Dog(Config):
    kind: Literal["dog", "hound"]
    barks: float = 0.5
    toy: Optional[str] = None
"""

INT_RULES = ["gt=0", "ge=1, le=10", "multiple_of=2", "lt=100", "description='a count'"]
STR_RULES = ["min_length=2", "max_length=4", "pattern='^[a-z]+$'", "description='a name'"]
LIST_RULES = ["min_length=1", "max_length=2"]


@dataclasses.dataclass(frozen=True)
class FieldCase:
    """One field of a class."""

    name: str
    kind: str
    #: The key in a document.
    key: str
    is_required: bool


@dataclasses.dataclass(frozen=True)
class ClassCase:
    """A class: its source, and the fields that documents fill."""

    source: str
    fields: tuple[FieldCase, ...]


KINDS = {
    "int": "int",
    "str": "str",
    "float": "float",
    "bool": "bool",
    "Any": "Any",
    "Optional[int]": "Optional[int]",
    "Optional[str]": "Optional[str]",
    "Optional[bool]": "Optional[bool]",
    "float | None": "Optional[float]",
    "List[int]": "List[int]",
    "list[str]": "List[str]",
    "List[float]": "List[float]",
    "List[Point]": "List[Point]",
    "List[Optional[int]]": "List[Optional[int]]",
    "Optional[List[int]]": "Optional[List[int]]",
    "List[List[int]]": "List[List[int]]",
    "Dict[str, int]": "Dict[str, int]",
    "dict[str, str]": "Dict[str, str]",
    "Mapping[str, float]": "Dict[str, float]",
    "Dict[str, Point]": "Dict[str, Point]",
    "Dict[str, Optional[int]]": "Dict[str, Optional[int]]",
    "Dict[str, List[int]]": "Dict[str, List[int]]",
    "Dict[int, str]": "Dict[int, str]",
    "Optional[Dict[str, int]]": "Optional[Dict[str, int]]",
    "Dict[str, Any]": "Dict[str, Any]",
    "List[Any]": "List[Any]",
    "List[Dict[str, Any]]": "List[Dict[str, Any]]",
    "Point": "Point",
    "Optional[Point]": "Optional[Point]",
    "Deep": "Deep",
    "Calm": "Calm",
    "Loose": "Loose",
    "Color": "Color",
    "Size": "Size",
    "List[Color]": "List[Color]",
    "Optional[Color]": "Optional[Color]",
    'Literal["low", "high"]': "Literal",
    "pet": "pet",
}
DEFAULTS = {
    "int": ["4", "0"],
    "str": ["'word'", "''"],
    "float": ["1.5", "2"],
    "bool": ["True", "False"],
    "Any": ["None", "7"],
    "Optional[int]": ["None", "4"],
    "Optional[str]": ["None", "'word'"],
    "Optional[bool]": ["None", "False"],
    "Optional[float]": ["None", "0.5"],
    "List[int]": ["[1, 2]", "[]"],
    "List[str]": ["['a']", "pydantic.Field(default_factory=list)"],
    "List[float]": ["[0.5]"],
    "Optional[List[int]]": ["None", "[1]"],
    "Dict[str, int]": ["{'a': 1}", "{}"],
    "Dict[str, str]": ["{}", "pydantic.Field(default_factory=dict)"],
    "Optional[Dict[str, int]]": ["None"],
    "Dict[str, Any]": ["{}", "{'n': None}"],
    "Point": ["Point(x=1)", "Point(x=5, y=6)"],
    "Optional[Point]": ["None"],
    "Calm": ["Calm()", "Calm(limit=6)"],
    "Color": ["Color.RED"],
    "Size": ["Size.L"],
    "Optional[Color]": ["None", "Color.BLUE"],
    "Literal": ["'low'"],
    "pet": ["Dog(kind='hound')", "Cat(meows=2)"],
}


def class_source(chance: random.Random) -> ClassCase:
    """Return a random class."""
    fields, lines, methods = [], [], []
    permissive = chance.random() < 0.12
    for name in chance.sample(["a", "b", "c", "d", "e"], chance.randint(1, 4)):
        annotation, kind = chance.choice(list(KINDS.items()))
        key, line, required = _field(chance, name, annotation, kind)
        lines.append(f"    {line}")
        fields.append(FieldCase(name, kind, key, required))
        methods += _validators(chance, name, kind) if required else []
    if chance.random() < 0.12:
        lines.append("    _private: int = pydantic.PrivateAttr(3)")
    if chance.random() < 0.12:
        methods.append(_model_validator(chance))
    base = "PermissiveConfig" if permissive else "Config"
    cut = chance.randint(0, len(lines)) if chance.random() < 0.25 else 0
    source = INNERS
    if cut:
        source += f"\nclass Base({base}):\n" + "\n".join(lines[:cut]) + "\n"
        base = "Base"
    body = lines[cut:] + methods or ["    pass"]
    source += f"\nclass Top({base}):\n" + "\n".join(body) + "\n"
    return ClassCase(_pruned(source), tuple(fields))


def _field(chance: random.Random, name: str, annotation: str, kind: str) -> tuple[str, str, bool]:
    options = []
    default = chance.choice(DEFAULTS[kind]) if kind in DEFAULTS and chance.random() < 0.4 else None
    if kind == "pet":
        options.append("discriminator='kind'")
        annotation = "Union[Cat, Dog]"
    elif chance.random() < 0.3:
        rules = (
            INT_RULES
            if kind in ("int", "Optional[int]")
            else STR_RULES
            if kind in ("str", "Optional[str]")
            else LIST_RULES
            if kind.startswith("List[")
            else []
        )
        options += [chance.choice(rules)] if rules else []
    key = name
    if chance.random() < 0.08 and kind in ("int", "str", "Optional[int]", "List[int]"):
        key = f"{name}Key"
        options.append(f"alias={key!r}")
    required = default is None
    if default is not None and default.startswith("pydantic.Field("):
        factory = default[len("pydantic.Field(") : -1]
        return (
            key,
            f"{name}: {annotation} = pydantic.Field({', '.join([factory, *options])})",
            False,
        )
    if options:
        first = "..." if default is None else f"default={default}"
        return (
            key,
            f"{name}: {annotation} = pydantic.Field({', '.join([first, *options])})",
            required,
        )
    return key, f"{name}: {annotation}" + ("" if default is None else f" = {default}"), required


def _validators(chance: random.Random, name: str, kind: str) -> list[str]:
    if chance.random() > 0.3:
        return []
    body = ["return value.upper() if value else value"]
    if kind == "int":
        body = ["if value == 4:", "    raise ValueError('never four')", "return value + 1"]
    elif kind not in ("str", "Optional[str]"):
        return []
    head = [
        f"@pydantic.field_validator({name!r})",
        "@classmethod",
        f"def check_{name}(cls, value):",
    ]
    lines = [*head, *(f"    {line}" for line in body)]
    return ["\n".join(f"    {line}" for line in lines)]


def _model_validator(chance: random.Random) -> str:
    if chance.random() < 0.5:
        return (
            "    @pydantic.model_validator(mode='after')\n"
            "    def check(self):\n"
            "        if len(str(self)) % 5 == 0:\n"
            "            raise ValueError('an unlucky length')\n"
            "        return self"
        )
    return (
        "    @pydantic.model_validator(mode='before')\n"
        "    @classmethod\n"
        "    def check(cls, data):\n"
        "        assert 'never' not in data\n"
        "        return data"
    )


def _pruned(source: str) -> str:
    """Return the source without the inner classes that nothing names."""
    parts = source.strip().split("\n\n")
    needed: list[str] = []
    for part in reversed(parts):
        name = part.split("(")[0].removeprefix("class ")
        if name in ("Top", "Base") or any(name in other for other in needed):
            needed.insert(0, part)
    return "\n\n".join(needed) + "\n"


def documents_for_class(chance: random.Random, declared: ClassCase) -> Iterator[Any]:
    """Yield documents, some of them good."""
    yield {}
    for number in range(7):
        document = {
            field.key: good(chance, field.kind)
            for field in declared.fields
            if field.is_required or chance.random() < 0.5
        }
        if number > 3:
            _spoil(chance, document, declared)
        yield document
    if chance.random() < 0.2:
        yield chance.choice([None, [], "text", 5])


def _spoil(chance: random.Random, document: dict[str, Any], declared: ClassCase) -> None:
    field = chance.choice(declared.fields)
    way = chance.randrange(7)
    if way == 0:
        document.pop(field.key, None)
    elif way == 1:
        document[field.key] = None
    elif way == 2:
        document["stranger"] = chance.choice([1, "x", None])
    elif way == 3:
        document[field.key] = chance.choice(
            [
                1,
                "x",
                2.5,
                True,
                [],
                {},
                [1],
                {"a": 1},
                ["x"],
                [None],
                {"x": None},
                "RED",
                "red",
                "4",
            ]
        )
    elif way == 4 and "float" not in field.kind:  # rayexec reads variables for floats too
        document[field.key] = {
            "env": chance.choice(["CASE_TEXT", "CASE_INT", "CASE_TRUE", "ABSENT_VARIABLE"])
        }
    elif way in (4, 5):
        document[field.key] = spoiled(chance, good(chance, field.kind))
    else:
        document[field.name] = good(chance, field.kind)


def spoiled(chance: random.Random, value: Any) -> Any:
    """Return a value with a part of it missing, added or replaced."""
    if isinstance(value, dict) and value:
        key = chance.choice(list(value))
        changed = dict(value)
        way = chance.randrange(4)
        if way == 0:
            del changed[key]
        elif way == 1:
            changed["other"] = 1
        elif way == 2:
            changed[key] = spoiled(chance, changed[key])
        else:
            changed[key] = None
        return changed
    if isinstance(value, list) and value:
        return [*value[:-1], spoiled(chance, value[-1])]
    return chance.choice([None, "x", 3, 2.5, True, [], {}, {"env": "CASE_INT"}])


def good(chance: random.Random, kind: str) -> Any:
    """Return a value that fits an annotation."""
    if kind.startswith("Optional["):
        return None if chance.random() < 0.3 else good(chance, kind[len("Optional[") : -1])
    if kind.startswith("List["):
        return [good(chance, kind[len("List[") : -1]) for _ in range(chance.randint(0, 3))]
    if kind.startswith("Dict["):
        key, inner = kind[len("Dict[") : -1].split(", ", 1)
        keys = [1, 2] if key == "int" else chance.sample(["k", "m", "n"], chance.randint(0, 2))
        # The table is JSON, whose keys are strings.
        return {each: good(chance, inner) for each in ([] if key == "int" else keys)}
    makers: dict[str, Any] = {
        "int": lambda: chance.choice([0, 1, 2, 4, 6, -3, 50]),
        "str": lambda: chance.choice(["ab", "abc", "", "longer", "A1"]),
        "float": lambda: chance.choice([0.5, 3, -1.25]),
        "bool": lambda: chance.choice([True, False]),
        "Any": lambda: chance.choice([None, 1, "x", [1], {"k": [None]}]),
        "Point": lambda: {"x": 1} if chance.random() < 0.5 else {"x": 3, "y": 4},
        "Deep": lambda: {
            "point": good(chance, "Point"),
            **({"names": ["n"]} if chance.random() < 0.5 else {}),
            **({"note": chance.choice([None, "t"])} if chance.random() < 0.5 else {}),
        },
        "Calm": lambda: {"limit": 8} if chance.random() < 0.5 else {},
        "Loose": lambda: {"a": "t", "more": chance.choice([1, None, {"k": 2}])},
        "Color": lambda: chance.choice(["RED", "BLUE"]),
        "Size": lambda: chance.choice(["S", "L"]),
        "Literal": lambda: chance.choice(["low", "high"]),
        "pet": lambda: chance.choice(
            [{"cat": {"meows": 3}}, {"dog": {}}, {"dog": {"barks": 2}}, {"hound": {"toy": "ball"}}]
        ),
    }
    return makers[kind]()
