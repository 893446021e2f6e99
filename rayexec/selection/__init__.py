"""Selections: which ops of a job a list of clauses stands for."""

from __future__ import annotations

from rayexec.selection.clauses import select, selected_keys

__all__ = ["select", "selected_keys"]
