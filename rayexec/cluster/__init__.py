"""Ray clusters: reaching one, or starting one on this machine."""

from rayexec.cluster.connect import capacity_here, connect, disconnect, in_use

__all__ = ["capacity_here", "connect", "disconnect", "in_use"]
