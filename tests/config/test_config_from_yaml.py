"""Run config from YAML files, texts and packages, by Dagster's functions."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayexec import (
    InvariantError,
    config_from_files,
    config_from_pkg_resources,
    config_from_yaml_strings,
)

ONE = "ops: {a: {config: {x: 1, y: 1}}}"
TWO = "ops: {a: {config: {y: 2}}, b: {config: 3}}"
MERGED = {"ops": {"a": {"config": {"x": 1, "y": 2}}, "b": {"config": 3}}}


def test_later_documents_win_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "1.yaml").write_text(ONE)
    (tmp_path / "2.yaml").write_text(TWO)
    assert config_from_yaml_strings([ONE, TWO]) == MERGED
    assert config_from_files([str(tmp_path / "1.yaml"), str(tmp_path / "2.yaml")]) == MERGED
    assert config_from_files([str(tmp_path / "*.yaml")]) == MERGED
    assert config_from_files([]) == config_from_yaml_strings([]) == {}


def test_files_of_packages_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package_with_config"
    (package / "conf").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "conf/1.yaml").write_text(ONE)
    (package / "2.yaml").write_text(TWO)
    monkeypatch.syspath_prepend(tmp_path)
    pairs = [("package_with_config", "conf/1.yaml"), ("package_with_config", "2.yaml")]
    assert config_from_pkg_resources(pairs) == MERGED
    with pytest.raises(
        InvariantError, match=r"cannot read nowhere.yaml in package package_with_con"
    ):
        config_from_pkg_resources([("package_with_config", "nowhere.yaml")])
    with pytest.raises(InvariantError, match=r"cannot read a\.yaml in package no_such_package"):
        config_from_pkg_resources([("no_such_package", "a.yaml")])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "YAML string 2, line 1, column 5: not valid YAML"),
        ("- a", "YAML string 2 holds a list; run config is a mapping"),
        ("{a: 1, a: 2}", "the key 'a' is already in this mapping"),
    ],
)
def test_a_malformed_text_is_named_by_its_position(text: str, message: str) -> None:
    with pytest.raises(InvariantError, match=message):
        config_from_yaml_strings(["{}", text])
