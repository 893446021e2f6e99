"""Prose of the package: docstrings by the rules that docs/contributing.md gives."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from import_graph import PACKAGE, modules

RELATIVE = re.compile(r"\b(which|that|whose|what|where|who|whom)\b", re.IGNORECASE)
QUESTION = re.compile(r"^(What|How|Whether|Where|Which|Why)\b")
MOST_RELATIVE_IN_100_WORDS = 2.5
MOST_SENTENCES_WITH_TWO = 0.03
# Names that say nothing of what they hold; ``each`` is fine within a comprehension.
RIDDLES = {"place", "number", "known", "found", "told", "kept", "take", "words", "each"}
MOST_LINES = 400
MOST_COLUMNS = 100
Definition = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def parsed() -> Iterator[tuple[Path, ast.Module]]:
    for path in modules().values():
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def docstrings() -> Iterator[str]:
    for _, tree in parsed():
        for node in ast.walk(tree):
            if isinstance(node, Definition) and (text := ast.get_docstring(node)):
                yield re.sub(r"``[^`]*``", "X", text)


def sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.;:!?])\s+|\n\n", text) if part.strip()]


@pytest.mark.parametrize("folder", ["rayexec", "tests", "benchmarks"])
def test_no_module_docstring_opens_with_a_question_word(folder: str) -> None:
    opening = [
        str(path)
        for path in sorted((PACKAGE.parent / folder).rglob("*.py"))
        if QUESTION.match(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
    ]
    assert opening == []


def test_every_module_says_what_is_inside() -> None:
    silent = [str(path) for path, tree in parsed() if not ast.get_docstring(tree)]
    assert silent == []


def test_docstrings_have_few_relative_words() -> None:
    texts = list(docstrings())
    count = sum(len(re.findall(r"[A-Za-z']+", text)) for text in texts)
    relative = sum(len(RELATIVE.findall(text)) for text in texts)
    assert count > 10_000
    assert 100 * relative / count < MOST_RELATIVE_IN_100_WORDS


def test_few_sentences_have_two_relative_words() -> None:
    every = [sentence for text in docstrings() for sentence in sentences(text)]
    heavy = [sentence for sentence in every if len(RELATIVE.findall(sentence)) > 1]
    assert len(heavy) / len(every) < MOST_SENTENCES_WITH_TWO


def riddles(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and name of each variable, parameter or function with a name of RIDDLES."""
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp))
        for part in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            if id(node) not in inside or node.id != "each":
                yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.name


def test_names_say_what_they_hold() -> None:
    bad = [
        f"{path}:{line}: {name}"
        for path, tree in parsed()
        for line, name in riddles(tree)
        if name.strip("_").lower() in RIDDLES
    ]
    assert bad == []


@pytest.mark.parametrize("folder", ["rayexec", "benchmarks", "docs"])
def test_files_and_lines_are_short(folder: str) -> None:
    root = PACKAGE.parent / folder
    long = []
    for path in sorted(root.rglob("*.py")):
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > MOST_LINES:
            long.append(f"{path}: {len(lines)} lines")
        long += [f"{path}:{at}" for at, line in enumerate(lines, 1) if len(line) > MOST_COLUMNS]
    assert long == []


def test_no_file_is_a_drawer_for_everything() -> None:
    drawers = re.compile(r"(^|_)(utils?|helpers?|common|misc)(_|$)")
    assert [name for name in modules() if drawers.search(name.rpartition(".")[2])] == []


def test_no_class_is_called_by_what_any_class_does() -> None:
    """Dagster's own names of IO managers are the exception."""
    vague = [
        f"{path}:{node.lineno}: {node.name}"
        for path, tree in parsed()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and re.search(r"(Manager|Handler|Service)s?$", node.name)
        and not re.search(r"(IO|Input)Managers?$", node.name)
    ]
    assert vague == []


def test_no_file_name_means_two_things() -> None:
    """A name in two packages must be one of those that mean the same thing in each of them."""
    shared: dict[str, list[str]] = {}
    for name in modules():
        shared.setdefault(name.rpartition(".")[2], []).append(name)
    twice = {name for name, homes in shared.items() if len(homes) > 1}
    assert twice <= set(SAME_MEANING), sorted(twice - set(SAME_MEANING))


# File name -> the one thing that it means wherever it occurs.
SAME_MEANING: dict[str, str] = {
    "base": "the interface of every implementation in the package",
    "cache": "cached outputs of steps",
    "cluster": "a Ray cluster",
    "dev": "the command ``rayexec dev``",
    "driver": "the process that drives a run",
    "engine": "an engine",
    "job": "a job",
    "jobs": "jobs",
    "live": "a view that changes while its run lasts",
    "live_lines": "lines of a step that still runs",
    "messages": "typed messages between two sides, one class a kind",
    "loggers": "loggers of jobs and steps",
    "registry": "factories by name",
    "run": "one execution of a job",
    "run_parts": "parts of a recorded run",
    "runs": "recorded runs",
    "values": "outputs of steps, as values or references",
}
