"""Requests for labels, GPUs and memory, on two real nodes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from placed import GIGABYTE, SELECTORS

pytestmark = pytest.mark.long("starts two nodes for it all")

PLACED = Path(__file__).with_name("placed.py")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("placed")
    done = subprocess.run(
        [sys.executable, str(PLACED), str(folder)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return written


def test_labels_choose_the_node_by_each_of_rays_operators(report: dict[str, Any]) -> None:
    where = {name: [each["node"] for each in report["selected"][name]] for name in SELECTORS}
    training, head = [report["training"]], [report["head"]]
    expected = {"equal": training, "not_equal": head, "one_of": training, "none_of": head}
    assert where == {**expected, "both": training, "without": head}


def test_gpus_are_counted_and_each_step_sees_its_own(report: dict[str, Any]) -> None:
    whole, half = report["whole"], report["half"]
    assert (len(whole), max(each["met"] for each in whole)) == (4, 2)
    assert (len(half), max(each["met"] for each in half)) == (8, 4)
    assert {each["visible"] for each in whole} == {each["visible"] for each in half} == {"0", "1"}
    assert {each["assigned"]["GPU"] for each in whole} == {1.0}
    assert {each["assigned"]["GPU"] for each in half} == {0.5}
    for one in whole:
        for other in whole:
            if one is not other and one["visible"] == other["visible"]:
                assert one["span"][1] <= other["span"][0] or other["span"][1] <= one["span"][0]


def test_what_an_op_asks_for_reaches_ray_as_it_is(report: dict[str, Any]) -> None:
    (one,) = report["unchanged"]
    asked = {"CPU": 0.5, "GPU": 1.0, "memory": 3 * GIGABYTE, "accelerator_type:T4": 0.001}
    assert (one["node"], one["assigned"]) == (report["training"], asked)


def test_what_no_node_has_is_refused_before_anything_runs(report: dict[str, Any]) -> None:
    huge, far, nowhere, apart = report["refused"]
    assert "op 'huge' asks for 5e+09 memory (the largest node has 4e+09)" in huge
    assert "op 'far' asks for label zone=in(venus, pluto)" in far
    assert "op 'nowhere' asks for label zone=!in(earth, mars)" in nowhere
    assert "1 GPU and label kind=!training on one node, which no single node has" in apart
