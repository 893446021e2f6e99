"""Ray clusters: connections to one, and the start of one on this machine."""

from rayexec.cluster.connect import capacity_here, connect, releasing

__all__ = ["capacity_here", "connect", "releasing"]
