"""A run as somebody writes it, before any of it is checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["IN_PROCESS", "ON_RAY", "RunText"]

#: Values of ``RunText.where``; any other one is the address of a cluster.
IN_PROCESS, ON_RAY = "in_process", "ray"


@dataclass(frozen=True, slots=True)
class RunText:
    """A run as somebody writes it."""

    yaml: str = ""
    selection: Sequence[str] = ()
    tags: Mapping[str, Any] = field(default_factory=dict)
    #: Engine of the run; None leaves it to the run config.
    where: str | None = None
    max_concurrent: int | None = None
    #: Whether values of inputs may be in files; not for readers of a read-only server.
    reads_files: bool = True

    @property
    def address(self) -> str | None:
        """The address of a Ray that the driver attaches to."""
        is_named = self.where not in (None, IN_PROCESS, ON_RAY)
        return self.where if is_named and not self.dashboard else None

    @property
    def dashboard(self) -> str | None:
        """The address of a cluster's dashboard, which starts the driver there."""
        is_dashboard = self.where is not None and self.where.startswith(("http://", "https://"))
        return self.where if is_dashboard else None
