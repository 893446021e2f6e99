"""Selections: clauses over the ops of a job, or over the steps of a run."""

from __future__ import annotations

from rayexec.selection.clauses import selected_keys
from rayexec.selection.op_selection import select

__all__ = ["select", "selected_keys"]
