"""Ray clusters: connections to one, and the start of one on this machine."""

from rayexec.cluster.connect import capacity_here, connect, releasing
from rayexec.cluster.watched_head import WatchedHead, head_answers

__all__ = ["WatchedHead", "capacity_here", "connect", "head_answers", "releasing"]
