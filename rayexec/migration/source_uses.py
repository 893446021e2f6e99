"""Reads files that import Dagster, and looks up each name that they use; it runs none of them."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rayexec.errors import LoadError
from rayexec.migration.name_table import Entry, Here, entries
from rayexec.names import nearest

__all__ = ["FileReport", "Use", "read_file", "read_tree"]

MAX_FILE_BYTES = 4 * 2**20
# Directories that hold no code of the project.
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "venv", "build", "dist"})
_PRIVATE = "A private part of Dagster. Import the name from the package itself, if it has it."
_STAR = "Import the names one by one: `*` takes all of rayexec's."
_NOTEBOOK = "a notebook. Make a file of it: jupyter nbconvert --to script NOTEBOOK"
_INTEGRATION = (
    "A package for Dagster, and needs Dagster. Call the library behind it in an op or in a "
    "resource of your own."
)


@dataclass(frozen=True, slots=True)
class Use:
    """A name of Dagster on a line of a file; ``line`` counts from 1."""

    line: int
    name: str
    here: Here
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-compatible data."""
        return {"line": self.line, "name": self.name, "here": self.here.value, "note": self.note}


@dataclass(frozen=True, slots=True)
class FileReport:
    """What a file uses of Dagster, by line; ``problem`` says why it could not be read."""

    path: Path
    uses: tuple[Use, ...] = ()
    problem: str | None = None

    @property
    def works(self) -> bool:
        """Whether it runs when its import lines change."""
        return self.problem is None and all(use.here.works for use in self.uses)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-compatible data."""
        return {
            "path": str(self.path),
            "problem": self.problem,
            "uses": [use.to_dict() for use in self.uses],
        }


def read_tree(paths: Sequence[Path]) -> list[FileReport]:
    """Read files, and all Python files below directories, that import Dagster.

    A file that was named gets a report in any case. Links to directories are not followed. Raises
    LoadError for a path that is not there.
    """
    reports: list[FileReport] = []
    seen: set[Path] = set()
    for path in paths:
        if not path.exists():
            raise LoadError(f"{path} is not there: name a Python file, or a directory with some.")
        for file in [path] if path.is_file() else _python_files(path):
            if file not in seen:
                seen.add(file)
                report = read_file(file)
                if path.is_file() or report.uses or report.problem:
                    reports.append(report)
    return reports


def _python_files(directory: Path) -> Iterator[Path]:
    for parent, directories, names in os.walk(directory):
        directories[:] = sorted(
            name for name in directories if name not in _SKIPPED and not name.startswith(".")
        )
        files = (Path(parent, name) for name in sorted(names) if name.endswith(".py"))
        # The opening of a named pipe waits for somebody who writes.
        yield from (file for file in files if file.is_file())


def read_file(path: Path) -> FileReport:
    """Return what a file uses of Dagster. A file that is no Python gets a report with a problem."""
    if path.suffix == ".ipynb":
        return FileReport(path, problem=_NOTEBOOK)
    try:
        with path.open("rb") as file:
            source = file.read(MAX_FILE_BYTES + 1)
        if len(source) > MAX_FILE_BYTES:
            return FileReport(path, problem=f"larger than {MAX_FILE_BYTES >> 20} MiB: not read")
        tree = ast.parse(source)
    except SyntaxError as error:
        at = "" if error.lineno is None else f"line {error.lineno}: "  # None for a NUL
        return FileReport(path, problem=f"{at}{error.msg}")
    except (OSError, ValueError, RecursionError, MemoryError) as error:  # of the parser
        return FileReport(path, problem=str(error) or type(error).__name__)
    if b"dagster" not in source:
        return FileReport(path)
    reader = _Reader()
    try:
        reader.visit(tree)
    except RecursionError:
        return FileReport(path, problem="its expressions are nested too deeply: not read")
    uses = sorted(reader.uses, key=lambda use: (use.line, use.name))
    return FileReport(path, tuple(dict.fromkeys(uses)))


@dataclass
class _Reader(ast.NodeVisitor):
    """Notes the names of Dagster in a file: at their import, and by line where a part is used."""

    uses: list[Use] = field(default_factory=list)
    #: Names that the file gives to the package itself.
    packages: set[str] = field(default_factory=set)
    #: Dagster's names by those that the file gives them.
    imported: dict[str, str] = field(default_factory=dict)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name == "dagster":
                self.packages.add(alias.asname or "dagster")
            elif alias.name.startswith("dagster."):
                self._note(alias, alias.name, Here.ABSENT, _PRIVATE)
            elif alias.name.startswith("dagster_"):
                self._note(alias, alias.name, Here.ABSENT, _INTEGRATION)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level or module.partition(".")[0].partition("_")[0] != "dagster":
            return
        for alias in node.names:
            if module == "dagster" and alias.name == "*":
                self._note(alias, "*", Here.DIFFERS, _STAR)
            elif module == "dagster":
                self.imported[alias.asname or alias.name] = alias.name
                self._look_up(alias, alias.name)
            else:
                self._note_path(alias, module)

    def _note_path(self, alias: ast.alias, module: str) -> None:
        """Note a name imported from another module than the package."""
        path = f"{module}.{alias.name}"
        entry = entries().get(alias.name)
        if not module.startswith("dagster."):
            self._note(alias, path, Here.ABSENT, _INTEGRATION)
        elif module.startswith("dagster._") and entry is not None:
            self.imported[alias.asname or alias.name] = alias.name
            self._note(alias, path, entry.here, entry.note)
        else:
            self._note(alias, path, Here.ABSENT, _PRIVATE)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        owner = self._name_of(node.value)
        if isinstance(node.value, ast.Name) and node.value.id in self.packages:
            self._look_up(node, node.attr)
        elif owner is not None:
            self._look_up_part(node, owner, node.attr)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        called = self._name_of(node.func)
        if called is not None:
            for keyword in node.keywords:
                if keyword.arg is not None:
                    self._look_up_part(keyword.value, called, keyword.arg)
        self.generic_visit(node)

    def _name_of(self, node: ast.expr) -> str | None:
        """Dagster's name of an expression such as ``op`` or ``dg.op``."""
        if isinstance(node, ast.Name):
            return self.imported.get(node.id)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return node.attr if node.value.id in self.packages else None
        return None

    def _look_up(self, node: ast.alias | ast.expr, name: str) -> None:
        entry = entries().get(name)
        if entry is None:
            note = f"Dagster 1.13 has no such name.{nearest(name, entries())}"
            entry = Entry(name, Here.ABSENT, note)
        self._note(node, name, entry.here, entry.note)

    def _look_up_part(self, node: ast.expr, owner: str, part: str) -> None:
        entry = entries().get(f"{owner}.{part}")
        if entry is not None:
            self._note(node, entry.name, entry.here, entry.note)

    def _note(self, node: ast.alias | ast.expr, name: str, here: Here, note: str) -> None:
        self.uses.append(Use(node.lineno, name, here, note))
