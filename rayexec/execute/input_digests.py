"""Digests of the inputs of a run whose values its record does not show.

Those are objects of ``input_values``, and what ``{json: …}`` and ``{pickle: …}`` read from files.
The record has a digest of each, never the value. So a run that resumes another one knows which of
them have changed. The id of the run is part of a digest: equal values of two runs show nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping

from rayexec.config.run_config import ResolvedConfig
from rayexec.steps.digest import digest

__all__ = ["changed_inputs", "input_digests"]


def input_digests(config: ResolvedConfig, run_id: str) -> dict[str, str | None]:
    """Return the digests by ``<node path>:<input>``; None for a value that cannot be pickled."""
    return {
        _text(key): _digest(config.inputs[key], run_id) for key in sorted(config.unrecorded_inputs)
    }


def changed_inputs(
    before: Mapping[str, str | None], run_id: str, config: ResolvedConfig
) -> frozenset[tuple[str, str]]:
    """Return the inputs that may have another value than in the earlier run ``run_id``.

    ``before`` has the digests of that run. An input without one, now or then, counts as changed.
    """
    inputs = {_text(key): key for key in config.inputs} | {
        text: _key(text)
        for text in before  # such as one with its default now
    }
    now = input_digests(config, run_id)
    return frozenset(
        [
            inputs[text]
            for text in before.keys() | now.keys()
            if before.get(text) is None or before.get(text) != now.get(text)
        ]
    )


def _text(key: tuple[str, str]) -> str:
    return ":".join(key)


def _key(text: str) -> tuple[str, str]:
    node, _, name = text.rpartition(":")
    return node, name


def _digest(value: object, run_id: str) -> str | None:
    with contextlib.suppress(Exception):  # Pickling runs code of users.
        return hashlib.sha256(f"{run_id}:{digest(value)}".encode()).hexdigest()
    return None
