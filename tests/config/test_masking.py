"""Names of a runtime_env in run config, without the values that belong to them."""

from __future__ import annotations

from typing import Any

import pytest

from rayexec.config.masking import names_in_runtime_env


def config_with(environment: Any) -> dict[str, Any]:
    return {"execution": {"config": {"ray": {"runtime_env": environment}}}}


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({"env_vars": {"TOKEN": "secret", "B": "2"}}, {"env_vars": ["TOKEN", "B"]}),
        ({"pip": ["numpy==2.1", "a-b.c[x]>=3", "d"]}, {"pip": ["numpy", "a-b.c", "d"]}),
        ({"pip": {"packages": ["numpy<3"], "pip_check": False}}, {"pip": ["numpy"]}),
        # An address may have a password in it.
        ({"pip": ["https://u:secret@h/x.whl", "git+https://secret@h/x"]}, {"pip": []}),
        ({"pip": ["x @ https://u:secret@h/x.whl"]}, {"pip": ["x"]}),
        ({"working_dir": "s3://key:secret@bucket/a.zip"}, {"working_dir": []}),
        ({}, {}),
        ("a name", {}),
    ],
)
def test_an_environment_has_names_without_values(environment: Any, names: Any) -> None:
    assert names_in_runtime_env(config_with(environment)) == names
    # An executor that the job fixes has its settings without a name above them.
    fixed = {"execution": {"config": {"runtime_env": environment}}}
    assert names_in_runtime_env(fixed) == names


def test_config_without_an_environment_has_no_names() -> None:
    configs: list[Any] = [{}, {"ops": {}}, {"execution": {"config": {"in_process": {}}}}, None]
    for config in configs:
        assert names_in_runtime_env(config) == {}
