"""Registry of engines: names in run config, with the function that makes each engine."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TypeAlias

from rayexec.config.engine_traits import EngineTraits, declare_traits
from rayexec.engine.base import Engine
from rayexec.errors import EngineError
from rayexec.names import nearest
from rayexec.run.spec import RunSpec

__all__ = ["EngineFactory", "EngineTraits", "engine_names", "make_engine", "register_engine"]

EngineFactory: TypeAlias = Callable[[RunSpec], Engine]

# An engine's module loads with the first run that asks for it: a run in this process imports no
# Ray.
_FACTORIES: dict[str, str | EngineFactory] = {
    "in_process": "rayexec.engine.inprocess:InProcessEngine",
    "ray": "rayexec.engine.ray.connected:connect_engine",
}


def register_engine(
    name: str, factory: str | EngineFactory, *, traits: EngineTraits | None = None
) -> None:
    """Make an engine available to runs as ``execution.engine``.

    ``factory`` takes the RunSpec and returns an Engine; as a string it is ``module:attribute`` and
    loads when a run needs it. ``traits`` are by default those of an engine with workers of its
    own. A second call with the same name replaces the first.
    """
    declare_traits(name, traits or EngineTraits())
    _FACTORIES[name] = factory


def engine_names() -> tuple[str, ...]:
    """Return the names of all engines, the built-in ones first."""
    return tuple(_FACTORIES)


def make_engine(name: str, spec: RunSpec) -> Engine:
    """Return a new engine for a run; raises EngineError for an unknown name."""
    factory = _FACTORIES.get(name)
    if factory is None:
        raise EngineError(
            f"no engine is called {name!r}; there are {', '.join(_FACTORIES)}."
            f"{nearest(name, _FACTORIES)}"
        )
    if isinstance(factory, str):
        module, _, attribute = factory.partition(":")
        factory = getattr(import_module(module), attribute)
    engine: Engine = factory(spec)
    return engine
