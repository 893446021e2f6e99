"""Concurrency limits as values: what a run limits by tag, the pools an op draws from, and limits of
a whole cluster.

A limit of a cluster is a custom resource of one of its nodes, which every run on it shares:
``limit:database=redshift`` for steps with that tag, ``limit:database`` for steps with that key,
``pool:gpu-licence`` for ops of that pool. Ray takes any such name of ASCII characters, so ``ray
start --resources='{"limit:database=redshift": 2}'`` declares one as well; what else a tag holds
stands percent-encoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from rayexec.errors import DefinitionError
from rayexec.names import check_name

__all__ = [
    "LIMIT_PREFIX",
    "POOL_PREFIX",
    "Pool",
    "TagLimit",
    "limit_resource",
    "pool_resource",
    "tag_resources",
]

LIMIT_PREFIX = "limit:"
POOL_PREFIX = "pool:"


@dataclass(frozen=True, slots=True)
class Pool:
    """A limit shared by every run on a cluster; an op takes ``slots`` of it while it runs."""

    name: str
    slots: int = 1

    def __post_init__(self) -> None:
        check_name(
            self.name.replace("-", "_") if isinstance(self.name, str) else self.name,
            "a pool",
            reserved=False,
        )
        if isinstance(self.slots, bool) or not isinstance(self.slots, int) or self.slots < 1:
            raise DefinitionError(
                f"pool {self.name!r}: slots must be a whole number of at least 1, got "
                f"{self.slots!r}."
            )


@dataclass(frozen=True, slots=True)
class TagLimit:
    """At most ``limit`` steps at once among those that it applies to.

    With ``value``: steps whose tag ``key`` has that value. Without: steps with that tag, all
    together or (with ``per_unique_value``) each value for itself.
    """

    key: str
    limit: int
    value: str | None = None
    per_unique_value: bool = False

    def group(self, tags: Mapping[str, str]) -> str | None:
        """Return the name of the group that a step with ``tags`` counts in, or None where the limit
        does not apply.
        """
        value = tags.get(self.key)
        if value is None or (self.value is not None and value != self.value):
            return None
        return (
            f"{self.key}={value}" if self.value is not None or self.per_unique_value else self.key
        )


def tag_resources(key: str, value: str) -> tuple[str, str]:
    """Return the resources that would limit a step with this tag on a whole cluster: by key, and by
    key and value.
    """
    return limit_resource(key), limit_resource(f"{key}={value}")


def limit_resource(tag: str) -> str:
    """Return the resource that limits a tag, given as ``key`` or ``key=value``, on a whole cluster."""
    name = f"{LIMIT_PREFIX}{tag}"
    if name.isascii():
        return name
    return "".join(
        [each if each.isascii() else quote(each, errors="surrogatepass") for each in name]
    )


def pool_resource(name: str) -> str:
    """Return the resource that limits a pool on a whole cluster."""
    return f"{POOL_PREFIX}{name}"
