"""The schema of a whole run config, completion and resolution agree on the recorded documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from config_cases import VARIABLES, job_of, read_table, run_config_of
from test_config_cases import HERE, TABLES

import rayexec
from rayexec.config.completion import CompletionTree, completion_tree
from rayexec.config.run_config import resolve_run_config
from rayexec.config.run_config_schema import RunConfigSchema, run_config_schema
from rayexec.definitions.schemas.schema import validate
from rayexec.errors import ConfigError
from rayexec.plan import Plan, compile_job


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, text in VARIABLES.items():
        monkeypatch.setenv(variable, text)
    monkeypatch.delenv("ABSENT_VARIABLE", raising=False)


def schema_of(job: Any, plan: Plan) -> RunConfigSchema:
    return run_config_schema(job, plan.ops_by_key, plan.open_inputs, {})


def resolution(job: Any, plan: Plan, document: Any) -> list[tuple[str, ...]]:
    """Return the paths of the problems of a run config."""
    try:
        resolve_run_config(
            job,
            document,
            ops=plan.ops_by_key,
            open_inputs=plan.open_inputs,
            resources={},
            needed=frozenset(),
        )
    except ConfigError as error:
        return [problem.path for problem in error.problems]
    return []


@pytest.mark.long("goes through all recorded documents")
@pytest.mark.parametrize("name", TABLES)
def test_the_schema_takes_and_refuses_what_the_resolution_does(name: str) -> None:
    seen = 0
    for source, is_taken, cases in read_table(Path(HERE) / name):
        if not is_taken:
            continue
        job = job_of(TABLES[name](source), rayexec)
        plan = compile_job(job)
        schema = schema_of(job, plan)
        for case in cases:
            document = run_config_of(case.document)
            wrong = resolution(job, plan, document)
            _, problems = validate(schema.root, document)
            assert bool(wrong) == bool(problems), (source, document, wrong, problems)
            # What is missing altogether is reported at the op, or at what is above it.
            if case.document != "ABSENT":
                assert wrong == [problem.path for problem in problems]
            seen += 1
        assert bool(schema.required()) == bool(resolution(job, plan, {}))
    assert seen > 1_800


@pytest.mark.long("goes through all recorded documents")
@pytest.mark.parametrize("name", TABLES)
def test_completion_offers_the_keys_that_documents_may_have(name: str) -> None:
    """Each key of a document that the schema takes is offered, unless any key is taken there."""
    for source, is_taken, cases in read_table(Path(HERE) / name):
        if not is_taken:
            continue
        job = job_of(TABLES[name](source), rayexec)
        schema = schema_of(job, compile_job(job))
        tree = completion_tree(schema)
        for case in cases:
            document = run_config_of(case.document)
            if not validate(schema.root, document)[1]:
                assert unoffered(tree, tree["root"], document) == [], (source, document)


def unoffered(tree: CompletionTree, name: str, value: Any) -> list[str]:
    """Return the keys in a value that a type does not offer; a union offers those of one option."""
    written = tree["types"][name]
    if written["kind"] == "union":
        return min((unoffered(tree, each, value) for each in written["options"]), key=len)
    if isinstance(value, list) and "items" in written:
        return [key for item in value for key in unoffered(tree, written["items"], item)]
    if not isinstance(value, dict):
        return []
    if written["kind"] == "map":
        return [key for item in value.values() for key in unoffered(tree, written["items"], item)]
    keys = written.get("keys", {})
    if written.get("is_open") or "keys" not in written:
        return []
    found_missing = [key for key in value if key not in keys]
    for key in value:
        if key in keys:
            found_missing += unoffered(tree, keys[key]["type"], value[key])
    return found_missing
