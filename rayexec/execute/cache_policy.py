"""Use of cached outputs in a run: by its config, RAYEXEC_CACHE, and its store."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace

from rayexec.config.engine_traits import traits_of
from rayexec.execute.recording import Recording
from rayexec.run.cached_outputs import RunCache
from rayexec.run.spec import RunSpec

__all__ = ["with_run_cache"]

_SWITCH = "RAYEXEC_CACHE"
_OFF = frozenset({"0", "false", "no", "off"})


def with_run_cache(spec: RunSpec, recording: Recording | None) -> RunSpec:
    """Return a run with the cache of its store, if it has cached ops and a store."""
    if recording is None or not any(template.op.cache for template in spec.plan.templates):
        return spec
    store = recording.store
    entries, settings = store.cache(), spec.config.execution
    traits = traits_of(settings.engine)
    if traits.runs_elsewhere and not entries.is_shared:
        owner = "Ray" if traits.uses_ray else f"Engine {settings.engine}"
        warnings.warn(
            f"{owner}'s workers cannot reach {store!r}, so that nothing is cached in this run. "
            "Record it in a directory or at a URI, or run it in_process.",
            RuntimeWarning,
            stacklevel=5,
        )
        return spec
    is_on = settings.cache and os.environ.get(_SWITCH, "").lower() not in _OFF
    return replace(spec, run_cache=RunCache(entries, reuse=is_on))
