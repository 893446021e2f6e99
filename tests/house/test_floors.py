"""Floors of the package: imports go down only, and no files import one another in a circle."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from import_graph import PACKAGE, cycles, import_graph, modules

import rayexec

# From the top floor to the bottom one; packages of one row don't import each other.
FLOORS = (
    ("cli", "testing"),
    ("web",),
    ("launch", "migration"),
    ("views",),
    ("job_sets",),
    ("direct", "jobs"),
    ("execute",),
    ("engine",),
    ("cluster", "io", "store"),
    ("scheduler", "steps"),
    ("run",),
    ("placement",),
    ("plan",),
    ("config", "selection"),
    ("definitions",),
    ("events",),
    ("names",),
    (
        "direct_calls",
        "errors",
        "former_names",
        "namesake",
        "private_directory",
        "strict_json",
        "_version",
    ),
)
HEAVY = ("ray", "pyarrow", "pydantic", "typer", "aiohttp", "dagster")


def floor_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_no_files_import_one_another_in_a_circle() -> None:
    assert cycles(import_graph()) == []


def test_an_import_goes_down_only() -> None:
    height = {name: -level for level, row in enumerate(FLOORS) for name in row}
    upward = [
        f"{source} -> {target}"
        for source, targets in import_graph().items()
        for target in targets
        if floor_of(source) not in ("", "__main__")
        and floor_of(source) != floor_of(target)
        and height[floor_of(source)] <= height.get(floor_of(target), 1)
    ]
    assert upward == []


def test_every_package_has_a_floor() -> None:
    listed = {name for row in FLOORS for name in row}
    assert {floor_of(module) for module in modules()} - {"", "__main__"} == listed


def test_driver_and_worker_meet_in_the_protocol_only() -> None:
    graph = import_graph()
    sides = ("rayexec.engine.ray.driver", "rayexec.engine.ray.worker")
    for here, there in (sides, sides[::-1]):
        crossing = [
            f"{source} -> {target}"
            for source, targets in graph.items()
            for target in targets
            if source.startswith(here) and target.startswith(there)
        ]
        assert crossing == []
    below = [
        f"{source} -> {target}"
        for source, targets in graph.items()
        for target in targets
        if source.startswith("rayexec.engine.ray.protocol") and target.startswith(sides)
    ]
    assert below == []


def test_the_graph_has_what_hides_in_functions_typing_and_strings(tmp_path: Path) -> None:
    package = tmp_path / "made"
    package.mkdir()
    (package / "__init__.py").write_text(
        '"""made.typed is no import here."""\n_LATE = {"made.late": 0}\n'
    )
    (package / "late.py").write_text("def f():\n    from made import inner\n")
    (package / "inner.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from made.typed import T\n"
    )
    (package / "typed.py").write_text("from . import loaded\n")
    (package / "loaded.py").write_text('load("made.late:f")\n')
    graph = import_graph(package)
    assert graph["made"] == {"made.late"}
    assert graph["made.late"] == {"made.inner"}
    assert cycles(graph) == [["made.inner", "made.late", "made.loaded", "made.typed"]]


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import rayexec, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_every_late_name_of_the_package_is_where_it_says() -> None:
    for name in rayexec.__all__:
        assert getattr(rayexec, name) is not None


def test_the_contract_of_the_linter_has_the_same_floors() -> None:
    text = (PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8")
    layers = text.partition("\nlayers = [\n")[2].partition("\n]")[0].splitlines()
    assert [tuple(re.findall(r"rayexec\.(\w+)", layer)) for layer in layers] == list(FLOORS)
