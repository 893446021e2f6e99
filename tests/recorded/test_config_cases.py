"""Random Config classes and schemas take and refuse what Dagster does, and ops see the same.

``record_config_cases.py`` made the tables, with Dagster 1.13.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from config_cases import (
    VARIABLES,
    Case,
    declared_class,
    declared_schema,
    job_of,
    op_of_class,
    op_of_schema,
    read_table,
    run_config_of,
)

import rayexec

HERE = Path(__file__).parent
TABLES: dict[str, Callable[[str], Any]] = {
    "config_class_cases.jsonl": lambda source: op_of_class(
        declared_class(source, rayexec), rayexec
    ),
    "config_schema_cases.jsonl": lambda source: op_of_schema(
        declared_schema(source, rayexec), rayexec
    ),
}


def difference(case: Case, seen: str | None, problem: str) -> str:
    """Return the reason for another answer than Dagster's; without one, the difference itself."""
    shown = ("got True (bool)", "The value is secret")
    if seen is None and "expected float" in problem and any(text in problem for text in shown):
        return "a bool is no float"
    if seen is None and "does not hold a valid bool" in problem:
        return "a variable for a bool holds a word for true or false"
    if case.seen is None and "{'env': 'CASE_INT'}" in str(case.document) and "=7.0" in str(seen):
        return "a variable may stand for a float"
    if case.seen is None and "[0.5, 7.0]" in str(seen):
        return "a variable may stand for a float"
    return f"{case.source} with {case.document}: Dagster {case.seen}, here {seen or problem}"


@pytest.mark.parametrize("name", TABLES)
def test_documents_are_taken_and_refused_as_by_dagster(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, text in VARIABLES.items():
        monkeypatch.setenv(variable, text)
    monkeypatch.delenv("ABSENT_VARIABLE", raising=False)
    same = 0
    differences: collections.Counter[str] = collections.Counter()
    for source, is_taken, cases in read_table(HERE / name):
        if not is_taken:
            with pytest.raises(rayexec.DagsterInvalidDefinitionError):
                TABLES[name](source)
            continue
        job = job_of(TABLES[name](source), rayexec)
        for case in cases:
            seen, problem = None, ""
            try:
                result = job.execute_in_process(run_config_of(case.document))
                seen = result.output_for_node("configured_op")
            except rayexec.DagsterInvalidConfigError as error:
                problem = str(error)
            if seen == case.seen:
                same += 1
            else:
                differences[difference(case, seen, problem)] += 1
    assert [each for each in differences if "Dagster" in each] == []
    assert same > 1_800
    assert sum(differences.values()) < 20
