"""Columns of texts, made without what imports pandas."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayexec.store.columns import Rows, _texts, _texts_at, open_frame
from rayexec.store.frames import whole_frames

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@given(st.lists(TEXTS))
def test_a_column_holds_the_texts(texts: list[str]) -> None:
    column = _texts(texts)
    column.validate(full=True)
    assert column.to_pylist() == texts


@given(st.lists(st.none() | TEXTS))
def test_a_column_holds_the_texts_where_they_are(texts: list[str | None]) -> None:
    column = _texts_at(
        {place: text for place, text in enumerate(texts) if text is not None}, len(texts)
    )
    column.validate(full=True)
    assert column.to_pylist() == texts
    assert column.null_count == texts.count(None)


@pytest.mark.parametrize(("count", "magic"), [(100, 0x184D2204), (1_000, 0xFD2FB528)])
def test_a_small_frame_is_compressed_by_what_begins_at_once(count: int, magic: int) -> None:
    rows = Rows()
    for step in range(count):
        rows.add(0, 1.0, 2.0, step=step)
    (body,) = whole_frames([rows.frame()])
    assert open_frame(body)["step"].to_pylist() == list(range(count))
    assert magic.to_bytes(4, "little") in bytes(body)


def test_recording_imports_no_pandas() -> None:
    code = """
import sys
from rayexec.store.columns import StepSignature, Rows, open_frame, steps_frame
rows = Rows()
rows.add(0, 1.0, 2.0)
rows.add(1, 1.0, 2.0, "{}")
steps_frame([0], ["a"], [0], [[]], [(0, StepSignature("a", (), ()))])
rows.frame()
assert "pyarrow" in sys.modules
assert "pandas" not in sys.modules
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
