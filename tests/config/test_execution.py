"""The execution section of run config: each form, and the problems of malformed ones."""

from __future__ import annotations

from typing import Any

import pytest

from rayexec import ConfigError, in_process_executor, multiprocess_executor, ray_executor
from rayexec.config.execution import ExecutionSettings, override_execution, resolve_execution
from rayexec.definitions.concurrency import TagLimit
from rayexec.definitions.executor import ExecutorDefinition, default_executor


def settings(section: Any, executor: ExecutorDefinition = default_executor) -> ExecutionSettings:
    resolved, problems = resolve_execution(executor, section)
    assert problems == []
    return resolved


@pytest.mark.parametrize("section", [None, {}])
def test_nothing_said_is_ray_on_this_machine(section: Any) -> None:
    assert settings(section) == ExecutionSettings(engine="ray")


@pytest.mark.parametrize("value", [None, {}])
def test_in_process(value: Any) -> None:
    assert settings({"config": {"in_process": value}}).engine == "in_process"


@pytest.mark.parametrize("name", ["multiprocess", "ray"])
def test_every_key_of_multiprocess(name: str) -> None:
    given = {
        "max_concurrent": 4,
        "start_method": {"forkserver": {"preload_modules": ["m"]}},
        "tag_concurrency_limits": [
            {"key": "database", "value": "redshift", "limit": 2},
            {"key": "team", "limit": 3},
            {"key": "user", "limit": 1, "value": {"applyLimitPerUniqueValue": True}},
            {"key": "zone", "limit": 5, "value": {"applyLimitPerUniqueValue": False}},
        ],
        "retries": {"disabled": {}},
        "step_dependency_config": {"require_upstream_step_success": False},
    }
    assert settings({"config": {name: given}}) == ExecutionSettings(
        engine="ray",
        max_concurrent=4,
        preload_modules=("m",),
        tag_limits=(
            TagLimit("database", 2, value="redshift"),
            TagLimit("team", 3),
            TagLimit("user", 1, per_unique_value=True),
            TagLimit("zone", 5),
        ),
        retries=False,
        require_upstream_step_success=False,
    )


@pytest.mark.parametrize(
    ("seconds", "is_fit"), [(0, True), (2.5, True), (-1, False), (float("inf"), False)]
)
def test_the_grace_of_a_cancel_is_a_number_of_seconds(seconds: float, is_fit: bool) -> None:
    assert settings(None).cancel_grace == 5.0
    resolved, problems = resolve_execution(
        default_executor, {"config": {"ray": {"cancel_grace": seconds}}}
    )
    assert (problems == []) == is_fit
    if is_fit:
        assert resolved.cancel_grace == seconds


def test_ray_has_keys_of_its_own() -> None:
    resolved = settings(
        {
            "config": {
                "ray": {"address": "auto", "isolation": "process", "runtime_env": {"pip": ["x"]}}
            }
        }
    )
    assert (resolved.address, resolved.fresh_process, resolved.runtime_env) == (
        "auto",
        True,
        {"pip": ["x"]},
    )


def test_spawn_is_a_fresh_process_a_step() -> None:
    assert settings({"config": {"multiprocess": {"start_method": {"spawn": {}}}}}).fresh_process
    assert not settings(
        {"config": {"multiprocess": {"start_method": {"forkserver": {}}}}}
    ).fresh_process


def test_zero_leaves_the_number_to_the_engine() -> None:
    assert settings({"config": {"multiprocess": {"max_concurrent": 0}}}).max_concurrent is None


def test_a_rule_that_stands_twice_is_refused_each_such_rule_by_name() -> None:
    unique = {"applyLimitPerUniqueValue": True}
    limits = [
        {"key": "a", "limit": 1},
        {"key": "b", "limit": 1},
        {"key": "a", "value": "x", "limit": 3},
        {"key": "a", "limit": 2},
        {"key": "b", "value": unique, "limit": 4},
        {"key": "b", "value": unique, "limit": 4},
    ]
    section = {"config": {"ray": {"tag_concurrency_limits": limits}}}
    _, problems = resolve_execution(default_executor, section)
    path = "root:execution:config:ray:tag_concurrency_limits"
    assert [str(each) for each in problems] == [
        f"{path}: the rule for tag 'a' is given 2 times, with limits 1, 2; keep one",
        f"{path}: the rule for each value of tag 'b' is given 2 times, with limits 4, 4; keep one",
    ]
    section["config"]["ray"]["tag_concurrency_limits"] = limits[:3]
    assert settings(section).tag_limits == (
        TagLimit("a", 1),
        TagLimit("b", 1),
        TagLimit("a", 3, value="x"),
    )


def test_a_jobs_own_executor_drops_the_level_of_names() -> None:
    assert settings({"config": {"max_concurrent": 3}}, multiprocess_executor).max_concurrent == 3
    assert settings(None, in_process_executor).engine == "in_process"
    preset = ray_executor.configured({"max_concurrent": 2, "isolation": "process"})
    assert settings(None, preset).max_concurrent == 2
    assert settings({"config": {"max_concurrent": 5}}, preset) == ExecutionSettings(
        max_concurrent=5, fresh_process=True
    )


@pytest.mark.parametrize(
    ("section", "path", "message"),
    [
        (3, "execution", "expected a mapping"),
        ({"in_process": {}}, "execution:in_process", "put it below config"),
        ({"config": None}, "execution:config", "must not be empty"),
        ({"config": {}}, "execution:config", "give exactly one of"),
        ({"config": {"in_process": {}, "ray": {}}}, "execution:config", "got in_process, ray"),
        ({"config": {"multi": {}}}, "execution:config:multi", "unknown executor"),
        (
            {"config": {"max_concurrent": 3}},
            "execution:config:max_concurrent",
            "below the executor's name",
        ),
        (
            {"config": {"in_process": {"max_concurrent": 1}}},
            "execution:config:in_process:max_concurrent",
            "unknown key",
        ),
        ({"config": {"multiprocess": 3}}, "execution:config:multiprocess", "expected"),
        (
            {"config": {"multiprocess": {"address": "a"}}},
            "execution:config:multiprocess:address",
            "unknown key",
        ),
        *[
            (
                {"config": {"multiprocess": {key: value}}},
                f"execution:config:multiprocess:{path}",
                message,
            )
            for key, value, path, message in [
                ("max_concurrent", -1, "max_concurrent", "greater than or equal to 0"),
                ("max_concurrent", "4", "max_concurrent", "expected int"),
                ("start_method", "forkserver", "start_method", "expected"),
                ("start_method", {"fork": {}}, "start_method:fork", "unknown key"),
                ("start_method", {"spawn": {}, "forkserver": {}}, "start_method", "exactly one"),
                ("retries", "disabled", "retries", "expected"),
                ("tag_concurrency_limits", {}, "tag_concurrency_limits", "expected"),
                (
                    "tag_concurrency_limits",
                    [{"key": "a"}],
                    "tag_concurrency_limits:0:limit",
                    "missing",
                ),
                (
                    "tag_concurrency_limits",
                    [{"limit": 1}],
                    "tag_concurrency_limits:0:key",
                    "missing",
                ),
                (
                    "tag_concurrency_limits",
                    [{"key": "a", "limit": 0}],
                    "tag_concurrency_limits:0:limit",
                    "1",
                ),
                (
                    "tag_concurrency_limits",
                    [{"key": "a", "limit": 1, "value": 3}],
                    "tag_concurrency_limits:0:value",
                    "expected str",
                ),
            ]
        ],
    ],
)
def test_what_is_refused(section: Any, path: str, message: str) -> None:
    _, problems = resolve_execution(default_executor, section)
    assert [":".join(problem.path) for problem in problems] == [path]
    assert message in problems[0].message


def test_what_a_caller_wants_instead_is_checked_like_config() -> None:
    unchanged = override_execution(ExecutionSettings(max_concurrent=3))
    assert unchanged.max_concurrent == 3
    assert override_execution(unchanged, max_concurrent=5).max_concurrent == 5
    assert (
        override_execution(ExecutionSettings(engine="in_process"), address="auto").engine == "ray"
    )
    with pytest.raises(ConfigError) as caught:
        override_execution(unchanged, max_concurrent=-1, address=5)
    assert {problem.path for problem in caught.value.problems} == {
        ("max_concurrent",),
        ("address",),
    }


def test_the_former_name_of_batches_is_accepted() -> None:
    for executor in (default_executor, ray_executor, ray_executor.configured({"slices": False})):
        section = {
            "config": {"ray": {"slices": False}}
            if executor is default_executor
            else {"slices": False}
        }
        settings, problems = resolve_execution(executor, section)
        assert (settings.batches, problems) == (False, [])
    settings, problems = resolve_execution(
        ray_executor.configured({"slices": False}), {"config": {"batches": True}}
    )
    assert (settings.batches, problems) == (True, [])


def test_both_names_of_batches_at_once_are_refused() -> None:
    _, problems = resolve_execution(ray_executor, {"config": {"batches": True, "slices": False}})
    assert [problem.path for problem in problems] == [("execution", "config", "slices")]
