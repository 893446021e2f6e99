"""JSON without ``NaN`` and ``Infinity``, which Python writes and strict parsers refuse."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["json_text", "marked_floats", "odd_floats_as", "unmarked_floats"]

_KIND, _VALUE = "$", "of"
_ODD = frozenset({"NaN", "Infinity", "-Infinity"})


def json_text(document: Any, **options: Any) -> str:
    """Return a document as JSON, with texts such as ``"NaN"`` for the floats that JSON lacks.

    ``options`` are those of ``json.dumps``.
    """
    try:
        return json.dumps(document, allow_nan=False, **options)
    except ValueError:
        return json.dumps(odd_floats_as(json.dumps, document), allow_nan=False, **options)


def odd_floats_as(stand_in: Callable[[float], Any], data: Any) -> Any:
    """Return data with stand-ins for the floats that are not finite."""
    if isinstance(data, float):
        return data if math.isfinite(data) else stand_in(float(data))
    if isinstance(data, Mapping):
        return {
            json.dumps(key) if isinstance(key, float) else key: odd_floats_as(stand_in, part)
            for key, part in data.items()
        }
    if isinstance(data, (list, tuple)):
        return [odd_floats_as(stand_in, part) for part in data]
    return data


def marked_floats(data: Any) -> Any:
    """Return data with ``{"$": "float", "of": "NaN"}`` and the like for floats that JSON lacks."""
    return odd_floats_as(lambda value: {_KIND: "float", _VALUE: json.dumps(value)}, data)


def unmarked_floats(data: Any) -> Any:
    """Return the data behind the result of ``marked_floats``."""
    if isinstance(data, dict):
        is_mark = data.keys() == {_KIND, _VALUE} and data[_KIND] == "float"
        if is_mark and isinstance(data[_VALUE], str) and data[_VALUE] in _ODD:
            return float(data[_VALUE])
        return {key: unmarked_floats(part) for key, part in data.items()}
    if isinstance(data, list):
        return [unmarked_floats(part) for part in data]
    return data
