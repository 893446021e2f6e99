"""Job files in the manner of public projects: only their import line changes.

Each file is written for Dagster. ``recorded.json`` has what Dagster does with it (by record.py);
here the same file imports from rayexec, and must do the same.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import rayexec

HERE = Path(__file__).parent
FILES = sorted((HERE / "files").glob("*.py"))
RECORDED: dict[str, Any] = json.loads((HERE / "recorded.json").read_text())
IMPORT = re.compile(r"^( *)(from|import) dagster\b", re.MULTILINE)
# Mistakes that Dagster finds inside a step, or as it opens resources; here no step runs.
EARLIER = {
    ("config_classes", "no tables"): "validators of pydantic run before the run starts",
    ("config_classes", "out of bounds"): "constraints of fields are checked before the run starts",
    ("resources_pythonic", "no variable"): "variables of the environment are read before the run",
}


def _observed() -> Any:
    spec = importlib.util.spec_from_file_location("import_line_observe", HERE / "observe.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.observed


observed = _observed()


@pytest.fixture
def imported(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """A job file with its import line changed, and imported."""
    file: Path = request.param
    text, count = IMPORT.subn(r"\1\2 rayexec", file.read_text())
    assert count == 1, "a file has one import line"
    changed = tmp_path / file.name
    changed.write_text(text)
    spec = importlib.util.spec_from_file_location(file.stem, changed)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[file.stem]


def test_there_are_files() -> None:
    assert len(FILES) >= 60
    assert [file.stem for file in FILES] == sorted(RECORDED)


@pytest.mark.parametrize("imported", FILES, ids=[file.stem for file in FILES], indirect=True)
def test_a_file_does_what_it_does_under_dagster(
    imported: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    expected = copy.deepcopy(RECORDED[imported.__name__])
    for file, run in EARLIER:
        if file == imported.__name__:
            assert not expected["runs"][run]["success"]
            expected["runs"][run] = {"raises": "DagsterInvalidConfigError"}
    assert observed(imported, rayexec.JobDefinition) == expected
