"""Connection of the engine on Ray: attaches to a cluster, or starts one, and makes the engine."""

from __future__ import annotations

from rayexec.cluster import connect
from rayexec.cluster.local_code import gather_sources
from rayexec.cluster.tokens import token_notes
from rayexec.engine.ray.driver.code_package import modules_of
from rayexec.engine.ray.driver.ray_engine import RayEngine
from rayexec.run.spec import RunSpec

__all__ = ["connect_engine"]


def connect_engine(spec: RunSpec) -> RayEngine:
    """Connect this process to Ray and return the engine of a run there; raises EngineError.

    Nodes on other machines need the job's local code, so that the engine sends it along.
    """
    settings = spec.config.execution
    capacity = connect(settings.address, settings.runtime_env)
    if not capacity.is_spread:
        engine = RayEngine(spec, capacity)
        engine.notes = [*engine.notes, *token_notes()]
        return engine
    sources, unsent = gather_sources(modules_of(spec.plan, spec.resources), capacity.near or ())
    engine = RayEngine(spec, capacity, sources)
    engine.notes = [*engine.notes, *unsent, *token_notes()]
    return engine
