"""Names of Dagster in files, line by line."""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rayexec.cli.main import app
from rayexec.errors import LoadError
from rayexec.migration.name_table import Here
from rayexec.migration.source_uses import read_file, read_tree


def uses(directory: Path, text: str) -> list[tuple[int, str, str]]:
    file = directory / "jobs.py"
    file.write_text(textwrap.dedent(text))
    return [(use.line, use.name, use.here.value) for use in read_file(file).uses]


def test_names_count_on_the_line_of_their_import(tmp_path: Path) -> None:
    assert uses(
        tmp_path,
        """\
        from dagster import (
            op,
            asset as an_asset,
        )
        from dagster import job

        @an_asset
        def a(): ...
        """,
    ) == [(2, "op", "same"), (3, "asset", "not here"), (5, "job", "same")]


def test_names_of_the_package_count_on_each_line(tmp_path: Path) -> None:
    assert uses(
        tmp_path,
        """\
        import dagster as dg

        @dg.op
        def one(): ...

        @dg.op
        def two(context: dg.AssetExecutionContext): ...
        """,
    ) == [
        (3, "op", "same"),
        (6, "op", "same"),
        (7, "AssetExecutionContext", "not here"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "from dagster._core.test_utils import nesting_graph",
        "from dagster.core.errors import DagsterInvalidConfigError",
        "import dagster._utils",
        "from dagster_aws.s3 import S3Resource",
        "import dagster_dbt",
        "from dagster import no_such_name",
    ],
)
def test_private_parts_integrations_and_unheard_names_are_not_here(
    tmp_path: Path, line: str
) -> None:
    [(at, name, here)] = uses(tmp_path, f"import os\n{line}\n")
    assert (at, here) == (2, "not here")
    assert name.split(".")[-1] in line


def test_a_public_name_by_its_private_path_is_that_name(tmp_path: Path) -> None:
    assert uses(
        tmp_path,
        """\
        from dagster._core.definitions.decorators import job as a_job
        from dagster._core.definitions.output import Out

        @a_job(partitions_def=None)
        def a(): ...
        """,
    ) == [
        (1, "dagster._core.definitions.decorators.job", "same"),
        (2, "dagster._core.definitions.output.Out", "same"),
        (4, "job.partitions_def", "differs"),
    ]


def test_an_unheard_name_gets_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "jobs.py"
    file.write_text("from dagster import RetryPolice\n")
    [use] = read_file(file).uses
    assert use.note == "Dagster 1.13 has no such name. Did you mean 'RetryPolicy'?"


def test_arguments_and_attributes_have_rows_of_their_own(tmp_path: Path) -> None:
    assert uses(
        tmp_path,
        """\
        import dagster as dg
        from dagster import job

        @job(partitions_def=None, name="x")
        def a(): ...

        b = dg.GraphDefinition.to_job(a, partitions_def=None)
        @dg.job(
            tags={},
            partitions_def=None,
        )
        def c(): ...
        """,
    ) == [
        (2, "job", "same"),
        (4, "job.partitions_def", "differs"),
        (7, "GraphDefinition", "same"),
        (8, "job", "same"),
        (10, "job.partitions_def", "differs"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "from . import dagster\n",
        "from mine.dagster import op\n",
        "import dagsterish\n",
        "op = 'from dagster import asset'\n# import dagster\n",
        "",
    ],
)
def test_a_file_without_dagster_has_no_uses(tmp_path: Path, text: str) -> None:
    assert uses(tmp_path, text) == []


@pytest.mark.parametrize(
    "content",
    [
        b"def (:\n",
        b"\x00from dagster import op\n",
        b"# -*- coding: no-such-coding -*-\nimport dagster\n",
        b"x = '\xff'\nimport dagster\n",
        b"import dagster\nx = " + b"(" * 5_000 + b")" * 5_000,
        b"import dagster\nx = " + b"-" * 50_000 + b"1\n",
        b"# " + b"x" * (4 * 2**20),
    ],
    ids=["syntax", "nul", "coding", "bytes", "nested", "deep", "large"],
)
def test_a_file_that_is_no_python_gets_a_problem(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "jobs.py"
    file.write_bytes(content)
    report = read_file(file)
    assert report.problem
    assert "None" not in report.problem
    assert not report.works


def test_a_notebook_is_named_as_one(tmp_path: Path) -> None:
    file = tmp_path / "jobs.ipynb"
    file.write_text('{"cells": [{"source": ["from dagster import op"]}]}')
    report = read_file(file)
    assert "a notebook. Make a file of it" in (report.problem or "")


def test_a_file_is_read_and_not_run(tmp_path: Path) -> None:
    file = tmp_path / "jobs.py"
    file.write_text(f"from dagster import op\nopen({str(tmp_path / 'ran')!r}, 'w')\n")
    assert read_file(file).works
    assert not (tmp_path / "ran").exists()


def test_directories_are_read_with_what_is_below(tmp_path: Path) -> None:
    for name in ("a/jobs.py", "a/b/jobs.py", ".venv/x.py", "venv/x.py", "a/other.py", "a/x.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("" if "other" in name else "from dagster import op\n")
    (tmp_path / "a/loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "a/pipe.py")
    reports = read_tree([tmp_path, tmp_path / "a/jobs.py"])
    assert [str(report.path.relative_to(tmp_path)) for report in reports] == [
        "a/jobs.py",
        "a/b/jobs.py",
    ]
    with pytest.raises(LoadError, match=r"no_such is not there: name a Python file"):
        read_tree([tmp_path / "no_such"])


class TestCommand:
    def test_it_prints_a_line_for_each_use_and_a_summary(self, tmp_path: Path) -> None:
        file = tmp_path / "jobs.py"
        file.write_text("from dagster import op, asset\n")
        ended = CliRunner().invoke(app, ["migrate", "check", str(file)])
        assert ended.exit_code == 1
        first, second, *rest = ended.stdout.splitlines()
        assert first.startswith(f"{file}:1: not here  asset  rayexec does not have assets.")
        assert second == f"{file}:1: same      op"
        assert rest == [
            "1 file with Dagster, 0 of them with nothing but what works as it stands.",
            "Uses of names: 1 work as they stand, 0 differ, 1 are not here.",
        ]
        problems = CliRunner().invoke(app, ["migrate", "check", "--problems", str(file)])
        assert problems.stdout.splitlines() == [first, *rest]

    def test_exit_code_0_says_that_all_works(self, tmp_path: Path) -> None:
        (tmp_path / "jobs.py").write_text("from dagster import op\n")
        assert CliRunner().invoke(app, ["migrate", "check", str(tmp_path)]).exit_code == 0

    def test_exit_code_2_says_that_something_was_not_read(self, tmp_path: Path) -> None:
        (tmp_path / "jobs.py").write_text("from dagster import asset\n")
        (tmp_path / "broken.py").write_text("def (\n")
        ended = CliRunner().invoke(app, ["migrate", "check", str(tmp_path)])
        assert ended.exit_code == 2
        assert "broken.py: cannot be read: line 1" in ended.stdout
        assert ended.stdout.splitlines()[-1] == "1 file could not be read."
        missing = CliRunner().invoke(app, ["migrate", "check", str(tmp_path / "nowhere")])
        assert missing.exit_code == 2
        assert "is not there" in missing.stderr

    def test_json_has_the_same(self, tmp_path: Path) -> None:
        file = tmp_path / "jobs.py"
        file.write_text("from dagster import op\n")
        ended = CliRunner().invoke(app, ["migrate", "check", "--json", str(file)])
        assert json.loads(ended.stdout) == {
            "files": [
                {
                    "path": str(file),
                    "problem": None,
                    "uses": [{"line": 1, "name": "op", "here": "same", "note": ""}],
                }
            ]
        }

    def test_a_path_sends_no_control_characters(self, tmp_path: Path) -> None:
        file = tmp_path / "a\x1b[2Jb.py"
        file.write_text("from dagster import op\n")
        assert "\x1b" not in CliRunner().invoke(app, ["migrate", "check", str(file)]).stdout


def test_the_kinds_say_whether_a_file_works() -> None:
    assert [here for here in Here if here.works] == [Here.SAME, Here.BETTER]
