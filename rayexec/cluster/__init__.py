"""Ray clusters: reaching one, or starting one on this machine."""

from rayexec.cluster.connect import connect, disconnect

__all__ = ["connect", "disconnect"]
