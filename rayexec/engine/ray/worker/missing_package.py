"""Message about a package that a node lacks, with the remedies."""

from __future__ import annotations

import socket
import sys

__all__ = ["missing_package"]


def missing_package(error: BaseException) -> str | None:
    """Return the message for a package that the job's code imports and this node lacks.

    None where ``error`` is about anything else.
    """
    import ray

    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    top = error.name.partition(".")[0]
    if top in sys.modules:  # the package is there, and has no such module
        return None
    node = f"{socket.gethostname()} ({ray.util.get_node_ip_address()})"
    return (
        f"No module named {error.name!r} on node {node}, which the job's code imports. Install it "
        f"there, in the Python of Ray's workers ({sys.executable} -m pip install {top}); or have "
        f"Ray do so for the run: execution: {{config: {{ray: {{runtime_env: {{pip: [{top}]}}}}}}}}"
        f", or rayexec job launch --pip {top}. Of your own modules, the Python files below the "
        "directory of the job's are sent, to nodes that there are when it begins."
    )
