"""Package of a plan's code: op definitions, hooks and resources, but never the steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from rayexec.definitions.sources import Sources

__all__ = ["CodeArgument", "Package", "Stamp"]

# State of a file: the digest of its content, or else its size and time of change.
Stamp: TypeAlias = tuple[str, bytes] | tuple[str, int, int]

# Code of a run as each batch has it: the digest of its package; the package, pickled; the contents
# of its sources. The last two may be lists of one reference. All of it is plain, since a node
# without rayexec unpickles it too.
CodeArgument: TypeAlias = tuple[str, bytes | list[Any], bytes | list[Any]]


@dataclass(frozen=True, slots=True)
class Package:
    """Pickled templates and resources, with the conditions for unpickling them."""

    #: Pickle of the templates and the resources.
    code: bytes
    #: Import path of the driver.
    paths: tuple[str, ...]
    #: Name and file of each module behind the code.
    modules: tuple[tuple[str, str | None], ...]
    #: State of each local module in the driver, by name.
    stamps: tuple[tuple[str, Stamp], ...]
    #: Digest that tells packages apart.
    digest: str
    #: Local code for nodes on other machines, without its contents; None without such nodes.
    sources: Sources | None = None
