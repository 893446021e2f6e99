"""Environments of a run and of single ops, on a Ray of their own: variables, modules, a package by
pip.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("environments.py")


pytestmark = pytest.mark.long("Ray makes environments with packages by pip")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    place = tmp_path_factory.mktemp("environments")
    command = [sys.executable, str(SCRIPT), str(place)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((place / "told.json").read_text())
    return found


def test_a_runs_environment_is_set_once_and_an_ops_own_comes_on_top(told: dict[str, Any]) -> None:
    seen = told["first"]["seen"]
    whole = {
        "RUN": "run",
        "OWN": None,
        "BOTH": "run",
        "module": "module",
        "packed": None,
        "beside": "beside",
    }
    assert {key: each["found"] for key, each in seen.items()} == {
        "plain": whole,
        "own": {**whole, "OWN": "op", "BOTH": "op"},
        "own_again": {**whole, "OWN": "op", "BOTH": "op"},
        "packed": {**whole, "packed": "packed"},
    }
    # Workers with an environment of their own serve no other op.
    pids = {key: each["pid"] for key, each in seen.items()}
    assert not {pids["own"], pids["own_again"]} & {pids["plain"], pids["packed"]}


def test_what_an_environment_of_an_op_costs_is_warned_of_once(told: dict[str, Any]) -> None:
    (warning,) = told["first"]["warnings"]
    assert warning.startswith(
        "ops 'own', 'packed' have a runtime_env of their own, which no warm worker has: workers "
        "start for it, "
    )


def test_a_process_that_uses_ray_already_sends_another_environment_with_each_task(
    told: dict[str, Any],
) -> None:
    seen = told["second"]["seen"]
    whole = {
        "RUN": "second",
        "OWN": None,
        "BOTH": "second",
        "module": "module",
        "packed": None,
        "beside": "beside",
    }
    assert seen["plain"]["found"] == whole
    assert seen["own"]["found"] == {**whole, "OWN": "op", "BOTH": "op"}
    of_ops, other, with_each = told["second"]["warnings"]
    assert "op 'own' has a runtime_env" in of_ops
    assert "began to use Ray with another runtime_env (env_vars, py_modules, working_dir)" in other
    assert "goes along with each task" in with_each


def test_an_environment_that_cannot_be_made_fails_its_step_and_says_whose(
    told: dict[str, Any],
) -> None:
    failure = told["breaks"]["failures"]["broken"]
    assert (
        "step 'broken': the runtime_env of op 'broken' (ray_options) cannot be set up: " in failure
    )
    assert "none-1.0-py3-none-any.whl" in failure


def test_a_local_directory_of_an_op_is_refused_before_anything_runs(told: dict[str, Any]) -> None:
    refused = told["directory"]["refused"]
    assert refused.startswith("Ray does not take the runtime_env of op 'local' (ray_options): ")
    assert "execution.config.ray.runtime_env" in refused
