"""A package that a node lacks, said so that somebody can do something about it."""

from __future__ import annotations

import socket
import sys

__all__ = ["lacking_here"]


def lacking_here(error: BaseException) -> str | None:
    """Return what this node lacks that a job's code imports, where that is what ``error`` is about."""
    import ray

    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    top = error.name.partition(".")[0]
    if top in sys.modules:  # what a package has of modules is its own affair
        return None
    where = f"{socket.gethostname()} ({ray.util.get_node_ip_address()})"
    return (
        f"No module named {error.name!r} on node {where}, which the job's code imports. Install "
        f"it there, in the "
        f"Python of Ray's workers ({sys.executable} -m pip install {top}); or have Ray do so for "
        f"the run: execution: "
        f"{{config: {{ray: {{runtime_env: {{pip: [{top}]}}}}}}}}, or rayexec job launch --pip "
        f"{top}. Of your own "
        "modules, the Python files below the directory of the job's are sent, to nodes that there "
        "are when it begins."
    )
