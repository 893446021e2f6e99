"""Start methods of processes: spawn, isolation and forkserver."""

import os
from pathlib import Path
from typing import Any

import pytest

from rayexec import job, op


def test_spawn_gives_each_attempt_a_process_of_its_own(execute_on_ray: Any) -> None:
    @op
    def pid() -> int:
        return os.getpid()

    @job
    def processes() -> None:
        for _ in range(3):
            pid()

    def pids(method: dict[str, Any]) -> list[int]:
        config = {
            "execution": {"config": {"multiprocess": {"max_concurrent": 1, "start_method": method}}}
        }
        result = execute_on_ray(processes, config)
        return [result.output_for_node(key) for key in ("pid", "pid_2", "pid_3")]

    spawned = pids({"spawn": {}})
    assert len(set(spawned)) == 3
    assert os.getpid() not in spawned
    warm = pids({"forkserver": {}})
    assert len(set(warm)) < 3
    assert set(warm).isdisjoint(spawned)


def test_isolation_is_another_word_for_spawn(execute_on_ray: Any) -> None:
    @op
    def pid() -> int:
        return os.getpid()

    @job(config={"execution": {"config": {"ray": {"isolation": "process", "max_concurrent": 1}}}})
    def processes() -> None:
        pid()
        pid()

    result = execute_on_ray(processes)
    assert result.output_for_node("pid") != result.output_for_node("pid_2")


def test_forkserver_preloads_modules(
    execute_on_ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "preloaded_by_test.py").write_text("LOADED = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    @op
    def look() -> bool:
        import sys

        return "preloaded_by_test" in sys.modules

    @job
    def looking() -> None:
        look()

    def config(modules: list[str]) -> dict[str, Any]:
        return {
            "execution": {
                "config": {
                    "multiprocess": {"start_method": {"forkserver": {"preload_modules": modules}}}
                }
            }
        }

    assert execute_on_ray(looking, config([])).output_for_node("look") is False
    assert execute_on_ray(looking, config(["preloaded_by_test"])).output_for_node("look") is True
    missing = execute_on_ray(looking, config(["no_such_module_here"]))
    data = missing.failure_data_for_node("look")
    assert data.error.cls_name == "LoadError"
    assert data.root.message.startswith("No module named 'no_such_module_here' on node ")
