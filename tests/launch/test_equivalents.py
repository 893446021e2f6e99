"""Commands and Python that run the same: both really run, and their records are compared."""

from __future__ import annotations

import ast
import datetime
import math
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rayexec.launch.code_answers import CodeAnswers
from rayexec.launch.equivalents import RunToCopy, command_for, literal, python_for
from rayexec.launch.job_file import JobSource, find_jobs
from rayexec.launch.launching import launch_job
from rayexec.store import RunRecord, store_at

HOSTILE = [
    "it's", 'a "quote"', "$HOME `id` $(id)", "two\nlines\n", "tab\there", "\\n\\", "né 漢 🎈",
    "YAML", "!!", "- x", "%d {x} #no", "'''", '"""', "\x85 \u2028", "--flag", "",
]  # fmt: skip
JOBS = """
from rayexec import Config, job, op

class Words(Config):
    texts: list[str]
    by_name: dict[str, str] = {}

@op
def load(config: Words):
    return config.texts

@op
def save(texts):
    pass

@op
def breaks(texts):
    raise ValueError("broken")

@job
def copy():
    save(load())

@job
def broken():
    texts = load()
    breaks(texts)
    save(texts)

again = copy.with_metadata({})
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with jobs, whose name is hostile too."""
    directory = tmp_path / "it's a $HOME"
    directory.mkdir()
    monkeypatch.setenv("RAYEXEC_HOME", str(directory / "home"))
    monkeypatch.chdir(directory)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    (directory / "jobs.py").write_text(JOBS)
    return directory


def recorded(directory: Path) -> list[RunRecord]:
    return sorted(store_at(directory / "home").list(), key=lambda record: record.start_time)


def facts(record: RunRecord) -> dict[str, Any]:
    return {
        "status": record.status,
        "job": record.job_name,
        "config": record.run_config,
        "selection": record.op_selection,
        "tags": {key: value for key, value in record.tags.items() if "run_id" not in key},
        "steps": dict(record.steps),
        "origin": dict(record.origin),
        "parent": record.parent_run_id,
    }


def shell(command: str, directory: Path) -> int:
    """Run a command line with the only words that it may name as programs."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", command], cwd=directory, check=False, timeout=120
    ).returncode


def python(source: str, directory: Path) -> int:
    return subprocess.run(
        [sys.executable, "-c", source], cwd=directory, check=False, timeout=120
    ).returncode


def answers(source: JobSource) -> CodeAnswers:
    return CodeAnswers(source, find_jobs(source))


@pytest.mark.long("starts three drivers")
@pytest.mark.parametrize("job", ["copy", "broken"])
def test_command_and_python_run_what_a_launch_runs(directory: Path, job: str) -> None:
    config = {
        "ops": {"load": {"config": {"texts": HOSTILE, "by_name": dict.fromkeys(HOSTILE, "x")}}}
    }
    text = f"# a comment: {HOSTILE[0]}\n{yaml.safe_dump(config, allow_unicode=True)}"
    tags = {f"tag {index}": value for index, value in enumerate(HOSTILE)}
    source = JobSource(directory / "jobs.py")
    selection = ["load+", "save"]
    run: dict[str, Any] = {"selection": selection, "tags": tags, "where": "in_process"}
    run["yaml"] = text
    code = answers(source)
    launched = code.launch_text(job, **run)
    assert launched["is_valid"], launched["check"]
    launch_job(
        source.file,
        yaml.safe_load(launched["config"]),
        attribute=launched["attribute"],
        job=launched["job"],
        op_selection=selection,
        tags=tags,
        max_concurrent=2,
    ).wait(120)
    copied = code.copy(job, **run, max_concurrent=2)
    assert shell(copied["cli"], directory) == (0 if job == "copy" else 1)
    assert python(copied["python"], directory) == 0
    first, second, third = recorded(directory)
    assert first.run_config["ops"] == config["ops"]
    assert first.tags["tag 0"] == HOSTILE[0]
    assert facts(second) == facts(first)
    assert facts(third) == facts(first)


@pytest.mark.long("starts four drivers")
def test_command_and_python_resume_a_run(directory: Path) -> None:
    source = JobSource(directory / "jobs.py")
    code = answers(source)
    text = "ops: {load: {config: {texts: [a]}}}"
    run = {"yaml": text, "where": "in_process"}
    first = launch_job(
        source.file,
        yaml.safe_load(code.launch_text("broken", **run)["config"]),
        job="broken",
        tags={"team": "a"},
    )
    first.wait(120)
    copied = code.copy("broken", **run, resume_from=first.run_id, steps=["load*"])
    shell(copied["cli"], directory)
    assert python(copied["python"], directory) == 0
    _, second, third = recorded(directory)
    assert second.parent_run_id == third.parent_run_id == first.run_id
    ignored = {"origin"}  # a run from Python has none
    assert {key: value for key, value in facts(second).items() if key not in ignored} == {
        key: value for key, value in facts(third).items() if key not in ignored
    }
    assert second.tags["team"] == "a"
    from_failure = code.copy("broken", yaml="", resume_from=first.run_id)
    assert "from_failure" in from_failure["python"]
    shell(from_failure["cli"], directory)
    assert recorded(directory)[-1].parent_run_id == first.run_id


def test_a_text_keeps_its_comments_only_where_it_says_the_same(directory: Path) -> None:
    code = answers(JobSource(directory / "jobs.py"))
    text = "# why\nops: {load: {config: {texts: [a]}}}"
    assert "# why\n" in code.copy("copy", yaml=text)["cli"]
    changed = code.copy("copy", yaml=text, where="in_process")["cli"]
    assert "# why" not in changed
    assert "in_process: {}" in changed
    # A line break at the end of such a text is one more of the value.
    block = "ops: {load: {config: {texts: [a]}}}\ninputs:\n  x: |+\n    a"
    command = code.copy("copy", yaml=block)["cli"]
    body = command.partition("<<'YAML'\n")[2].removesuffix("YAML\n")
    assert yaml.safe_load(body) == yaml.safe_load(block)


def test_two_jobs_of_one_name_are_told_apart_by_attribute(directory: Path) -> None:
    code = answers(JobSource(directory / "jobs.py"))
    assert "-a again" in code.copy("again", yaml="")["cli"]
    assert 'attribute="again"' in code.copy("again", yaml="")["python"]
    assert "-j broken" in code.copy("broken", yaml="")["cli"]


@pytest.mark.long("starts three drivers")
def test_a_module_is_imported_from_the_directory_of_the_server(directory: Path) -> None:
    run = {"yaml": "ops: {load: {config: {texts: [a]}}}", "where": "in_process"}
    copied = answers(JobSource(module="jobs")).copy("copy", **run)
    assert shell(copied["cli"], Path("/")) == 0
    assert python(copied["python"], Path("/")) == 0
    resumed = answers(JobSource(module="jobs")).copy(
        "copy", **run, resume_from=recorded(directory)[0].run_id, steps=["save"]
    )
    assert shell(resumed["cli"], Path("/")) == 0
    first, second, third = recorded(directory)
    assert facts(second) == facts(first)
    assert third.parent_run_id == first.run_id


def test_a_cluster_is_named_as_each_door_names_it(directory: Path) -> None:
    code = answers(JobSource(directory / "jobs.py"))
    attached = code.copy("copy", yaml="", where="10.0.0.5:6379")
    assert shlex.split(attached["cli"])[:3] == ["rayexec", "job", "execute"]
    assert "--address=10.0.0.5:6379" in shlex.split(attached["cli"])
    assert 'attach="10.0.0.5:6379"' in attached["python"]
    sent = code.copy("copy", yaml="", where="http://head:8265")
    assert shlex.split(sent["cli"])[:4] == [
        "rayexec",
        "job",
        "launch",
        "--address=http://head:8265",
    ]
    assert 'address="http://head:8265"' in sent["python"]


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates()
values = st.recursive(
    scalars | st.datetimes(timezones=st.just(datetime.timezone.utc)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(scalars, inner, max_size=4),
    max_leaves=20,
)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, Mapping):
        return len(one) == len(other) and all(
            same(*keys) and same(one[keys[0]], other[keys[1]])
            for keys in zip(one, other, strict=True)
        )
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@given(values)
def test_a_literal_is_its_value(value: Any) -> None:
    text = literal(value)
    ast.parse(text)
    assert same(eval(text, {"datetime": datetime, "float": float}), value)


@given(st.lists(st.text(min_size=1), max_size=4), st.dictionaries(st.text(), st.text(), max_size=4))
def test_words_of_a_command_reach_their_program(clauses: list[str], tags: dict[str, str]) -> None:
    run = RunToCopy(JobSource(Path("/a b/j.py"), job="copy"), selection=clauses, tags=tags)
    arguments = shlex.split(command_for(run))
    for clause in clauses:
        assert clause in arguments or f"-o{clause}" in arguments
    ast.parse(python_for(run))
