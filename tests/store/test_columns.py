"""Columns of Arrow that are made without ``pyarrow.array``."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from rayexec.store.columns import RECORDS, Rows, kind_of, open_frame, steps_frame
from rayexec.store.frames import whole_frames


def test_texts_come_back_as_they_were() -> None:
    keys = ["load", "", "größer[ü]", "clean[2001]", "x" * 300]
    (body,) = whole_frames([steps_frame(range(5), keys, [0] * 5, [[]] * 5, [])])
    table = open_frame(body)
    table.validate(full=True)
    assert table["key"].to_pylist() == keys


@pytest.mark.parametrize("count", [1, 8, 9, 64])
def test_rows_without_detail_have_none(count: int) -> None:
    rows = Rows()
    details = ['{"a": "é"}' if place % 3 == 0 else None for place in range(count)]
    for detail in details:
        rows.add(0, 0.0, 0.0, detail)
    (body,) = whole_frames([rows.frame()])
    table = open_frame(body)
    table.validate(full=True)
    assert (kind_of(table), table["detail"].to_pylist()) == (RECORDS, details)


def test_pandas_is_not_imported() -> None:
    if importlib.util.find_spec("pandas") is None:
        pytest.skip("pandas is not installed")
    code = (
        "import sys; from rayexec.store.columns import Rows, steps_frame; rows = Rows(); rows.add(0, 0.0, 0.0, '{}'); "
        "rows.frame(); steps_frame([0], ['a'], [0], [[]], []); sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
