"""Job files that are links: the neighbours of the target, in the package for a cluster."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rayexec.definitions.code import neighborhoods
from rayexec.errors import LoadError

__all__ = ["LinkedFile", "holds_home", "linked_file"]

_TARGETS = ".rayexec/linked"


@dataclass(frozen=True, slots=True)
class LinkedFile:
    """A package's copy of a link to a file of another directory.

    Archives hold no links. So the ``command`` of a shell makes it one again in the unpacked
    package, and ``added`` has files by path from outside of the package's directory.
    """

    command: str
    added: Mapping[str, bytes] = field(default_factory=dict)


def linked_file(root: Path, file: str, say: Callable[[str], object]) -> LinkedFile | None:
    """Return the link at ``file`` below ``root``; None for a file with all neighbours beside it.

    Raises LoadError if the target's directory cannot be read.
    """
    from rayexec.cluster.packing import survey

    path = root / file
    if len(neighborhoods(str(path))) == 1:
        return None
    target = Path(os.path.realpath(path))
    real_root = Path(os.path.realpath(root))
    if target.is_relative_to(real_root):
        return LinkedFile(_link(file, target.relative_to(real_root).as_posix()))
    if holds_home(target.parent):
        say(
            f"Warning: {path} is a link to {target}. The files beside that are not sent, since "
            "your home directory is among them."
        )
        return None
    added = {}
    try:
        for name in {target.name, *survey(target.parent).sizes}:
            added[f"{_TARGETS}/{name}"] = (target.parent / name).read_bytes()
    except OSError as error:
        raise LoadError(f"cannot pack {error.filename}: {error.strerror}.") from None
    return LinkedFile(_link(file, f"{_TARGETS}/{target.name}"), dict(sorted(added.items())))


def holds_home(directory: Path) -> bool:
    """Whether the home directory is ``directory``, or below it."""
    user = os.path.expanduser("~")
    return any(
        path.is_relative_to(directory) for path in (Path(user), Path(os.path.realpath(user)))
    )


def _link(file: str, target: str) -> str:
    """Return the command; runs with the same package share its directory, so it is one rename."""
    name = shlex.quote(file)
    there = shlex.quote(os.path.relpath(target, os.path.dirname(file) or "."))
    return f"[ -L {name} ] || {{ ln -s {there} {name}.$$ && mv -f {name}.$$ {name}; }}; "
