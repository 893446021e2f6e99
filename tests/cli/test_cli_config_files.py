"""Config files of a run: their merge, and the messages on bad YAML."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from rayexec.config.yaml_files import deep_merge, read_run_config
from rayexec.errors import LoadError


def test_config_files_merge_key_by_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for index, text in enumerate(
        ["ops: {a: {config: {x: 1, y: [1]}}}", "ops: {a: {config: {y: [2]}}, b: {}}", ""]
    ):
        Path(f"{index}.yaml").write_text(text)
    merged = {"ops": {"a": {"config": {"x": 1, "y": [2]}}, "b": {}}}
    assert read_run_config(["0.yaml", "1.yaml", "2.yaml"]) == merged
    assert read_run_config(["?.yaml"]) == merged
    reversed_order = read_run_config(["1.yaml", "0.yaml"])
    assert reversed_order is not None
    assert reversed_order["ops"]["a"]["config"]["y"] == [1]
    assert read_run_config([]) is None
    assert deep_merge({"a": {"b": 1}}, {"a": 2}) == {"a": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ops:\n  one: [1, 2\n  two: 3\n", "line 3, column 6: not valid YAML: expected ',' or ']'"),
        (
            "ops:\n  one: {}\n  one: {}\n",
            "line 3, column 3: not valid YAML: the key 'one' is already in this mapping",
        ),
        ("a: 1\n\tb: 2\n", "line 2, column 1"),
        ("a: !!python/object:os.system {}\n", "line 1, column 4"),
        ("a: *nowhere\n", "line 1, column 4: not valid YAML: found undefined alias"),
        ("a: 2024-13-45\n", "not valid YAML: month must be in 1..12"),
    ],
)
def test_yaml_errors_name_the_place(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(LoadError) as caught:
        read_run_config([str(file)])
    assert message in str(caught.value)
    assert str(file) in str(caught.value)


def test_yaml_merge_keys_may_repeat(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("base: &b {x: 1}\na:\n  <<: *b\n  x: 2\n")
    assert read_run_config([str(file)]) == yaml.safe_load(file.read_text())
