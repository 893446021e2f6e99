"""The table of Dagster's names: the same here, better, different, or not here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from rayexec.definitions.stand_ins.topics import TOPICS

__all__ = ["Entry", "Here", "entries"]

_HEADER = "name\there\tnote"


class Here(Enum):
    """What a name of Dagster is in rayexec."""

    SAME = "same"
    #: Files run as they are, and get more.
    BETTER = "better"
    #: It is there, and does something else in the case of the note.
    DIFFERS = "differs"
    #: It imports at best; a use is an error.
    ABSENT = "not here"

    @property
    def works(self) -> bool:
        """Whether a file with it runs as it stands."""
        return self in (Here.SAME, Here.BETTER)


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the table.

    ``name`` is a public name of the package ``dagster`` (of release 1.13), or ``NAME.PART`` for an
    argument of a call, an attribute or a method of one. ``note`` is a sentence for users, or empty.
    """

    name: str
    here: Here
    note: str


@cache
def entries() -> Mapping[str, Entry]:
    """Return the table by name.

    Rows come from ``dagster_names.tsv``, and from the topics of names that only import. Raises
    ValueError for a file of the table that is no table.
    """
    text = files("rayexec.migration").joinpath("dagster_names.tsv").read_text("utf-8")
    header, *lines = text.splitlines()
    if header != _HEADER:
        raise ValueError(f"dagster_names.tsv begins with {header!r}, not with {_HEADER!r}")
    rows = [line.split("\t") for line in lines]
    table = {name: Entry(name, Here(here), note) for name, here, note in rows}
    if len(table) != len(rows):
        raise ValueError("dagster_names.tsv has a name twice")
    for topic in TOPICS:
        note = f"rayexec does not have {topic.title}. {topic.advice}"
        for name in topic.names:
            if table.setdefault(name, Entry(name, Here.ABSENT, note)).here is not Here.ABSENT:
                raise ValueError(f"{name} only imports, and dagster_names.tsv says more")
    return MappingProxyType(dict(sorted(table.items())))
