"""Concurrency limits as values: of a run by tag, of pools, and of a whole cluster.

A limit of a cluster is a custom resource of one of its nodes, shared by all runs:
``limit:database=redshift`` for steps with a tag, ``limit:database`` for steps with a tag of that
key, ``pool:gpu-licence`` for ops of a pool. ``ray start --resources='{"limit:database=redshift":
2}'`` declares one too. Names of resources are ASCII, so other characters are percent-encoded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from rayexec.errors import DefinitionError

__all__ = [
    "LIMIT_PREFIX",
    "POOL_PREFIX",
    "Pool",
    "TagLimit",
    "limit_resource",
    "pool_of",
    "pool_resource",
    "tag_resources",
]

LIMIT_PREFIX = "limit:"
POOL_PREFIX = "pool:"

_POOL_NAME = re.compile(r"\S+\Z")


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """A limit that all runs on a cluster share; a running op holds ``slots`` of it.

    One with a single slot equals its name, since Dagster's ``op.pool`` is the name.
    """

    name: str
    slots: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _POOL_NAME.match(self.name):
            raise DefinitionError(
                f"{self.name!r} is not a valid name for a pool: use letters, digits and signs, "
                f"without spaces."
            )
        if isinstance(self.slots, bool) or not isinstance(self.slots, int) or self.slots < 1:
            raise DefinitionError(
                f"pool {self.name!r}: slots must be a whole number of at least 1, got "
                f"{self.slots!r}."
            )

    def __str__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return self.slots == 1 and self.name == other
        return isinstance(other, Pool) and (self.name, self.slots) == (other.name, other.slots)

    def __hash__(self) -> int:
        return hash(self.name)


def pool_of(where: str, pool: str | Pool | None, tags: Mapping[str, str]) -> Pool | None:
    """Return the pool of an op; raises DefinitionError if its tags name another."""
    made = Pool(pool) if isinstance(pool, str) else pool
    key = tags.get("dagster/concurrency_key")
    if made is not None and key not in (None, made.name):
        raise DefinitionError(
            f"{where}: its pool is {made.name!r}, and its tag dagster/concurrency_key is {key!r}: "
            f"name one of them."
        )
    return made


@dataclass(frozen=True, slots=True)
class TagLimit:
    """At most ``limit`` concurrent steps among those with a tag of name ``key``."""

    key: str
    limit: int
    #: Restricts the limit to steps with this value of the tag.
    value: str | None = None
    #: Whether each value of the tag has a limit of its own.
    per_unique_value: bool = False

    def group(self, tags: Mapping[str, str]) -> str | None:
        """Return the group of a step with ``tags``; None if the limit does not apply to it."""
        value = tags.get(self.key)
        if value is None or (self.value is not None and value != self.value):
            return None
        return (
            f"{self.key}={value}" if self.value is not None or self.per_unique_value else self.key
        )


def tag_resources(key: str, value: str) -> tuple[str, str]:
    """Return the resources of a tag's limits on a cluster: by key, and by key and value."""
    return limit_resource(key), limit_resource(f"{key}={value}")


def limit_resource(tag: str) -> str:
    """Return the resource of the limit on a cluster for a tag ``key`` or ``key=value``."""
    return _ascii(f"{LIMIT_PREFIX}{tag}")


def pool_resource(name: str) -> str:
    """Return the resource of a pool on a cluster."""
    return _ascii(f"{POOL_PREFIX}{name}")


def _ascii(name: str) -> str:
    if name.isascii():
        return name
    return "".join(
        [each if each.isascii() else quote(each, errors="surrogatepass") for each in name]
    )
