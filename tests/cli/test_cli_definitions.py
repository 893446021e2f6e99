"""Files with a Definitions, a repository or a function with @definitions, on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_process import IN_PROCESS, imports_undone
from typer.testing import CliRunner, Result

from rayexec.cli.main import app

DEFINITIONS = """
import rayexec as dg

@dg.op(required_resource_keys={"table"})
def read(context):
    return context.resources.table

@dg.op
def one():
    return 1

@dg.job
def report():
    "Reads a table."
    read()

@dg.job
def nightly():
    one()

@dg.job
def not_listed():
    one()

@dg.asset
def orders(): ...

@dg.schedule(job=nightly, cron_schedule="0 0 * * *")
def midnight(_): ...

every_hour = dg.ScheduleDefinition(job=report, cron_schedule="0 * * * *")

@dg.logger
def quiet(_):
    import logging
    return logging.getLogger("quiet")
"""
SET = """
defs = dg.Definitions(
    jobs=[report],
    assets=[orders],
    schedules=[midnight, every_hour],
    resources={"table": "orders"},
    executor=dg.in_process_executor,
    loggers={"quiet": quiet},
)
"""
LAZY = """
@dg.definitions
def defs():
    return dg.Definitions(jobs=[report], schedules=[midnight], resources={"table": "orders"})
"""
REPOSITORY = """
with_table = report.graph.to_job(name="report", resource_defs={"table": "orders"})

@dg.repository
def repo():
    return [with_table, midnight]
"""
FUNCTION = """
def make():
    return dg.Definitions(jobs=[report], schedules=[midnight], resources={"table": "orders"})
"""


@pytest.fixture(autouse=True)
def _imports_undone(tmp_path: Path) -> Iterator[None]:
    with imports_undone(tmp_path):
        yield


def _run(code: str, *arguments: str, name: str = "some_definitions.py") -> Result:
    Path(name).write_text(DEFINITIONS + code)
    group, command, *rest = arguments
    return CliRunner().invoke(app, [group, command, "-f", name, *rest])


_FORMS = {
    "Definitions": (SET, ()),
    "@definitions": (LAZY, ()),
    "@repository": (REPOSITORY, ()),
    "a function that returns one": (FUNCTION, ("-a", "make")),
    "an attribute": (SET + "more = dg.Definitions(jobs=[not_listed])\n", ("-a", "defs")),
    "Definitions beside a repository": (SET + REPOSITORY, ()),
}


@pytest.mark.parametrize("form", _FORMS)
def test_its_jobs_are_those_of_the_file(form: str) -> None:
    code, arguments = _FORMS[form]
    listed = _run(code, "job", "list", *arguments)
    assert listed.exit_code == 0, listed.stderr
    assert listed.stdout.startswith("report\n  Reads a table.\n  1 op: read\n\nnightly\n")
    assert "not_listed" not in listed.stdout
    Path("run.yaml").write_text("{}" if SET in code else IN_PROCESS)
    run = _run(code, "job", "execute", *arguments, "-j", "report", "-c", "run.yaml", "--json")
    assert run.exit_code == 0, run.stderr
    assert json.loads(run.stdout)["status"] == "SUCCESS"


def test_a_module_has_them_too() -> None:
    Path("in_module.py").write_text(DEFINITIONS + SET)
    result = CliRunner().invoke(app, ["job", "print", "-m", "in_module", "-j", "report"])
    assert result.exit_code == 0, result.stderr
    assert "read" in result.stdout


def test_list_says_what_jobs_share_and_what_is_left_aside() -> None:
    shown = _run(SET, "definitions", "list")
    assert shown.exit_code == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[:6] == [
        "Jobs:",
        "  report: 1 op; resources table; executor in_process; loggers quiet",
        "  nightly: 1 op; executor in_process; loggers quiet",
        "Resources: table",
        "Executor: in_process",
        "Loggers: quiet",
    ]
    assert lines[6] == "Left aside:"
    assert lines[7].startswith("  asset orders: rayexec does not have assets.")
    assert lines[8].startswith("  schedules midnight, report_schedule: rayexec does not have")
    data = json.loads(_run(SET, "definitions", "list", "--json").stdout)
    assert [job["name"] for job in data["jobs"]] == ["report", "nightly"]
    assert [aside["kind"] for aside in data["left_aside"]] == ["asset", "schedule", "schedule"]


def test_list_of_a_file_without_definitions_has_all_its_jobs() -> None:
    result = _run("", "definitions", "list")
    assert result.exit_code == 2  # report lacks its table
    assert "requires resource 'table'" in result.stderr


@pytest.mark.parametrize("form", _FORMS)
def test_a_valid_file_is_valid(form: str) -> None:
    code, arguments = _FORMS[form]
    result = _run(code, "definitions", "validate", *arguments)
    assert (result.exit_code, result.stdout) == (0, "some_definitions.py: 2 jobs, all valid.\n")


TWO_PROBLEMS = """
twice = nightly.graph.to_job()
defs = dg.Definitions(jobs=[report, nightly, twice])
"""
_INVALID = {
    "two at once": (TWO_PROBLEMS, ["two jobs called 'nightly'", "requires resource 'table'"]),
    "a function of a repository": (
        "@dg.repository\ndef repo(): return {'jobs': {'a': lambda: 1, 'b': lambda: nightly}}\n",
        ["returned int", "called 'nightly'"],
    ),
    "jobs alone": ("", ["requires resource 'table'"]),
    "an import that fails": ("1 / 0\n", ["ZeroDivisionError"]),
    "a function that fails": ("@dg.definitions\ndef defs():\n    1 / 0\n", ["ZeroDivisionError"]),
    "a wrong member": ("defs = dg.Definitions(jobs=[one])\n", ["OpDefinition 'one'"]),
    "two Definitions": (SET + "more = dg.Definitions()\n", ["several sets of jobs, defs, more"]),
}


@pytest.mark.parametrize("case", _INVALID)
def test_all_problems_come_at_once(case: str) -> None:
    code, messages = _INVALID[case]
    result = _run(code, "definitions", "validate")
    assert (result.exit_code, result.stdout) == (1, "")
    assert all(message in result.stderr for message in messages), result.stderr
    data = json.loads(_run(code, "definitions", "validate", "--json", name="other.py").stdout)
    assert not data["valid"]
    assert all(message in "\n".join(data["problems"]) for message in messages)


_MISTAKES = {
    "no file": (["definitions", "validate"], "give one of them"),
    "both": (["definitions", "validate", "-f", "some_definitions.py", "-m", "a"], "only one"),
}


@pytest.mark.parametrize("case", _MISTAKES)
def test_wrong_arguments_are_mistakes(case: str) -> None:
    arguments, message = _MISTAKES[case]
    Path("some_definitions.py").write_text(DEFINITIONS + SET)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("code", "arguments", "message"),
    [
        (
            TWO_PROBLEMS,
            ["list"],
            "defs of some_definitions.py cannot be loaded: Definitions: there",
        ),
        (SET, ["print", "-j", "not_listed"], "has no job 'not_listed'; it has nightly, report"),
        ("defs = dg.Definitions(assets=[orders])\n", ["list"], "asset orders"),
        (SET + "more = dg.Definitions()\n", ["list"], "several sets of jobs, defs, more"),
        ("@dg.definitions\ndef defs():\n    return 1\n", ["list"], "returned int"),
    ],
)
def test_a_job_that_cannot_be_had_is_a_mistake(
    code: str, arguments: list[str], message: str
) -> None:
    command, *rest = arguments
    result = _run(code, "job", command, *rest)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", [["definitions", "list"], ["job", "list"], ["job", "print"]])
def test_descriptions_and_keys_send_no_control_characters(command: list[str]) -> None:
    Path("colorful.py").write_text(
        "import rayexec as dg\n"
        "RED = '\\x1b[31mred'\n"
        "one = dg.op(description=RED, name='one')(lambda: 1)\n"
        "j = dg.job(description=RED, name='j')(lambda: one() and None)\n"
        "defs = dg.Definitions(jobs=[j], resources={RED: 1})\n"
    )
    result = CliRunner().invoke(app, [*command, "-f", "colorful.py"])
    assert result.exit_code == 0, result.output
    assert "\\x1b[31mred" in result.stdout
    assert "\x1b" not in result.stdout
