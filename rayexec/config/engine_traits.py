"""Traits of engines, as config, caching and previews read them before a run makes its engine."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["IN_PROCESS", "RAY", "EngineTraits", "declare_traits", "traits_of"]

IN_PROCESS, RAY = "in_process", "ray"


@dataclass(frozen=True, slots=True)
class EngineTraits:
    """Traits of one engine; the defaults fit an engine with workers of its own."""

    #: Several steps run at once, so ``max_concurrent`` has an effect.
    runs_concurrently: bool = True
    #: Steps run in other processes than the driver, so they reach shared stores alone.
    runs_elsewhere: bool = True
    #: Ray places the steps, by their requests and the capacity of its cluster.
    uses_ray: bool = False


_DEFAULT = EngineTraits()
_TRAITS = {
    IN_PROCESS: EngineTraits(runs_concurrently=False, runs_elsewhere=False),
    RAY: EngineTraits(uses_ray=True),
}


def declare_traits(engine: str, traits: EngineTraits) -> None:
    """Set the traits of an engine by its name; ``register_engine`` calls it."""
    _TRAITS[engine] = traits


def traits_of(engine: str) -> EngineTraits:
    """Return the traits of an engine by its name, the defaults for an unknown one."""
    return _TRAITS.get(engine, _DEFAULT)
