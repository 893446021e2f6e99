"""JSON of stored events: any data, levels of lines, and objects that JSON lacks."""

from __future__ import annotations

import json
import logging
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rayexec.store.encoding import _decode, _encode

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.just("$"), inner) | st.tuples(inner, inner)
    ),
    max_leaves=8,
)


@given(JSON)
def test_data_comes_back_as_it_was(value: Any) -> None:
    assert _decode(json.loads(json.dumps(_encode(value)))) == value


def test_levels_of_lines_are_numbers() -> None:
    assert _encode(logging.WARNING) == 30


class Unspeakable:
    def __repr__(self) -> str:
        raise OSError


def test_what_json_has_no_word_for_becomes_words() -> None:
    deep: Any = 1
    for _ in range(100_000):  # some Pythons show 5,000
        deep = [deep]
    assert _encode([object, Unspeakable()]) == [
        "<class 'object'>",
        "<Unspeakable that cannot be shown: OSError>",
    ]
    assert "RecursionError" in json.dumps(_encode(deep))
