"""Search for the job: in files and modules, by name and attribute, and messages without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_process import imports_undone
from typer.testing import CliRunner, Result

from rayexec.cli.main import app

JOBS = """
from rayexec import graph, job, op

@op
def one():
    return 1

@job
def first():
    "The first."
    one()

@graph
def both():
    one()

second = both.to_job(name="second")
again = first
def make():
    return both.to_job(name="made")
def fails():
    raise ValueError("not today")
NUMBER = 3
"""


@pytest.fixture(autouse=True)
def _imports_undone(tmp_path: Path) -> Iterator[None]:
    with imports_undone(tmp_path):
        yield


def _list(code: str | None, *arguments: str, name: str = "some_jobs.py") -> Result:
    if code is not None:
        Path(name).write_text(code)
        arguments = ("-f", name, *arguments)
    return CliRunner().invoke(
        app, ["job", *(arguments if arguments[0] in _COMMANDS else ("list", *arguments))]
    )


_COMMANDS = ("print", "plan")


def _error(result: Result) -> str:
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "rayexec/cli" not in result.stderr
    return result.stderr


def test_lists_each_job_once_under_its_own_name() -> None:
    result = _list(JOBS)
    assert result.exit_code == 0
    assert result.stdout == "first\n  The first.\n  1 op: one\n\nsecond\n  1 op: one\n"


def test_several_jobs_are_listed_where_one_is_wanted() -> None:
    Path("jobs.py").write_text(JOBS)
    error = _error(CliRunner().invoke(app, ["job", "print", "-f", "jobs.py"]))
    assert error == "Error: jobs.py has 2 jobs; say which one with -j NAME:\n  first\n  second\n"


def test_a_job_is_chosen_by_name_or_attribute() -> None:
    Path("jobs.py").write_text(JOBS)

    def title(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["job", "print", *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout.splitlines()[0]

    assert title("-f", "jobs.py", "-j", "second") == "second"
    assert title("-f", "jobs.py", "-a", "again") == "first  — The first."
    assert title("-f", "jobs.py", "-a", "both") == "both"
    assert title("-f", "jobs.py", "-a", "make") == "made"
    assert title("-m", "jobs", "-j", "second") == "second"


def test_an_unknown_job_brings_the_nearest() -> None:
    Path("jobs.py").write_text(JOBS)
    error = _error(CliRunner().invoke(app, ["job", "print", "-f", "jobs.py", "-j", "frist"]))
    assert (
        error == "Error: jobs.py has no job 'frist'; it has first, second. Did you mean 'first'?\n"
    )


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("one", "one is an op, not a job"),
        ("NUMBER", "NUMBER is of type int, not a job"),
        ("agian", "no attribute 'agian'. Did you mean 'again'?"),
        ("fails", "fails() of some_jobs.py failed: ValueError: not today\n\nTraceback"),
    ],
)
def test_an_attribute_that_is_no_job(attribute: str, message: str) -> None:
    assert message in _error(_list(JOBS, "-a", attribute))


def test_two_jobs_of_one_name_need_an_attribute() -> None:
    code = JOBS + "\nthird = both.to_job(name='first')\n"
    Path("jobs.py").write_text(code)
    error = _error(CliRunner().invoke(app, ["job", "print", "-f", "jobs.py", "-j", "first"]))
    assert (
        "2 jobs called 'first', in the attributes first, third; say which one with -a ATTR" in error
    )


def test_a_graph_alone_brings_a_hint() -> None:
    code = "from rayexec import graph, op\n@op\ndef one(): pass\n@graph\ndef flow(): one()\n"
    error = _error(_list(code))
    assert "has no job" in error
    assert "flow_job = flow.to_job()" in error
    assert "-a flow" in error


def test_a_file_without_anything() -> None:
    assert "has no job. Decorate the function" in _error(_list("x = 1\n"))


def test_a_file_that_does_not_import_shows_the_users_traceback() -> None:
    Path("neighbour.py").write_text("def use():\n    return {}['missing']\n")
    error = _error(_list("import neighbour\nneighbour.use()\n", name="broken.py"))
    assert error.startswith("Error: broken.py cannot be imported: KeyError: 'missing'\n\nTraceback")
    assert [line.strip() for line in error.splitlines() if "File" in line] == [
        f'File "{Path.cwd()}/broken.py", line 2, in <module>',
        f'File "{Path.cwd()}/neighbour.py", line 2, in use',
    ]
    assert error.endswith("KeyError: 'missing'\n")


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("import dagster as dg", "'dagster'. Change the import line to rayexec; `rayexec migrate"),
        ("from dagster._core.x import y", "'dagster'. Change the import line to rayexec"),
        ("import dagster_of_nobody", "'dagster_of_nobody'. dagster_of_nobody needs Dagster."),
        ("from .resources import db", "is a part of a package: give its dotted name with -m"),
        ("from rayexec import jobb", "rayexec has no jobb. Did you mean 'job'?"),
        ("import no_such_module", "No module named 'no_such_module'\n\nTraceback"),
    ],
)
def test_an_import_that_fails_says_what_to_do(line: str, advice: str) -> None:
    error = _error(_list(f"{line}\n"))
    assert advice in error
    assert f"    {line}\n" in error


def test_jobs_of_dagster_are_no_jobs_here() -> None:
    Path("dagster").mkdir()
    Path("dagster/__init__.py").write_text("from dagster.core import job\n")
    Path("dagster/core.py").write_text("class Job: pass\ndef job(function): return Job()\n")
    error = _error(_list("from dagster import job\n@job\ndef j(): pass\n"))
    assert "has no job. It imports dagster, and not rayexec. Change the import line" in error


def test_a_syntax_error_shows_the_line() -> None:
    error = _error(_list("def broken(:\n    pass\n"))
    assert "SyntaxError: invalid syntax" in error
    assert "def broken(:" in error
    assert "Traceback" not in error


def test_a_definition_error_shows_where_it_arose() -> None:
    error = _error(
        _list("from rayexec import job, op\n@op\ndef one(x): pass\n@job\ndef j():\n    one(1)\n")
    )
    assert "line 6, in j" in error


@pytest.mark.parametrize(
    "mistake", ["dg.Definitions(jobs=[1])", "dg.RetryPolicy(max_retries=-1)", "DB(port='y')"]
)
def test_a_mistake_in_definitions_shows_the_line_of_the_user_alone(mistake: str) -> None:
    Path("fields.py").write_text(
        "import rayexec as dg\nclass DB(dg.ConfigurableResource):\n    port: int\n"
    )
    error = _error(_list(f"import rayexec as dg; from fields import DB\n{mistake}\n"))
    assert [line.strip() for line in error.splitlines() if "File" in line] == [
        f'File "{Path.cwd()}/some_jobs.py", line 2, in <module>'
    ]


def test_a_file_that_exits_says_so() -> None:
    error = _error(_list("import sys\nsys.exit('bye')\n"))
    assert "it ends the process (sys.exit('bye'))" in error
    assert '__name__ == "__main__"' in error


def test_what_a_file_prints_is_not_in_the_result() -> None:
    result = _list("print('loading')\n" + JOBS, "--json")
    assert result.stdout.startswith("{")
    assert "loading" in result.stderr


def test_not_python() -> None:
    assert "notes.txt is not a Python file" in _error(_list("hello", name="notes.txt"))


def test_modules() -> None:
    assert "there is no module 'nope' in this directory" in _error(_list(None, "-m", "nope.inner"))
    Path("jobs.py").write_text("import nope\n")
    assert "module jobs cannot be imported: ModuleNotFoundError" in _error(
        _list(None, "-m", "jobs")
    )
    Path("whole.py").write_text(JOBS)
    for wrong in ("whole.first", "whole:first"):
        assert "write -m whole -a first." in _error(_list(None, "-m", wrong))
    assert "For a file, write -f jobs.py" in _error(_list(None, "-m", "jobs.py"))
