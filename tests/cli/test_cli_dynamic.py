"""Jobs with dynamic outputs on the command line: their steps before and while they come."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli_process import IN_PROCESS, imports_undone, run, run_on_terminal, screen
from jobs_with_dynamic_outputs import JOBS
from rich.console import Console
from typer.testing import CliRunner

from rayexec.cli.main import app
from rayexec.cli.render.mapped_progress import mapped_lines
from rayexec.plan import Plan, compile_job
from rayexec.views.mapped_counts import MappedCounts
from rayexec.views.mapped_names import in_order


@pytest.fixture
def directory(tmp_path: Path) -> Any:
    with imports_undone(tmp_path):
        (tmp_path / "dynamic_jobs.py").write_text(JOBS)
        (tmp_path / "here.yaml").write_text(IN_PROCESS)
        yield tmp_path


def _show(command: str, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["job", command, "-f", "dynamic_jobs.py", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def _arguments(job: str, config: str = "{}") -> tuple[str, ...]:
    Path("more.yaml").write_text(config)
    return (
        "job",
        "execute",
        "-f",
        "dynamic_jobs.py",
        "-j",
        job,
        "-c",
        "here.yaml",
        "-c",
        "more.yaml",
    )


def _plain(written: str) -> str:
    return re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", written)


def test_plan_shows_mapped_ops_among_the_steps(directory: Path) -> None:
    lines = [re.sub(" +", " ", line) for line in _show("plan", "-j", "nested").splitlines()]
    assert lines[0].startswith("nested: at least 2 steps, and [?] once for each value that comes, ")
    assert lines[2:8] == [
        " step asks Ray for one for each of after",
        "1 load 1 CPU - -",
        "2 part.split[?] 1 CPU load.result load",
        "3 part.clean[?,?] 1 CPU load.result, part.split.result part.split[?]",
        "4 part.total[?] 1 CPU load.result part.clean[?,?]",
        "5 all 1 CPU - part.total[?]",
    ]
    assert (
        "longest path at least 2 steps: load → all; steps of dynamic outputs are not counted"
        in lines
    )


def test_plan_as_json_tells_what_is_mapped(directory: Path) -> None:
    limits = (
        "execution: {config: {ray: {max_concurrent: 2, "
        "tag_concurrency_limits: [{key: db, limit: 1}]}}}\n"
    )
    Path("limits.yaml").write_text(limits)
    plan = json.loads(_show("plan", "-j", "fan", "-c", "limits.yaml", "--json"))
    assert (plan["steps_at_least"], plan["is_exact"]) == (2, False)
    steps = {step["key"]: step for step in plan["steps"]}
    assert list(steps) == ["load", "clean[?]", "check[?]", "total"]
    assert steps["clean[?]"]["for_each"] == ["load.result"]
    assert steps["clean[?]"]["after"] == ["load"]
    assert steps["clean[?]"]["limits"] == {"db": 1}
    assert steps["clean[?]"]["request"]["num_cpus"] == 1
    assert steps["total"]["after"] == ["check[?]"]
    held = {each["limit"]: (each["steps"], each["mapped"]) for each in plan["limits"]}
    assert held == {"max_concurrent": (2, ["clean[?]", "check[?]"]), "db": (0, ["clean[?]"])}
    printed = _show("plan", "-j", "fan", "-c", "limits.yaml")
    assert "limit           db: 1 at once, for clean[?]; held by" in printed


def test_plan_shows_the_mapping_keys_that_a_selection_names(directory: Path) -> None:
    selection = ("-o", "*part.clean[k1,0],*part.clean[k2,?]")
    lines = [
        re.sub(" +", " ", line) for line in _show("plan", "-j", "nested", *selection).splitlines()
    ]
    assert lines[3:6] == [
        "1 load 1 CPU - -",
        "2 part.split[?] 1 CPU load.result (only [k1], [k2]) load",
        (
            "3 part.clean[?,?] 1 CPU load.result, part.split.result (only [k1,0], [k2,?]) "
            "part.split[?]"
        ),
    ]
    steps = json.loads(_show("plan", "-j", "nested", *selection, "--json"))["steps"]
    assert [step["only"] for step in steps] == [[], ["k1", "k2"], ["k1,0", "k2,?"]]


def test_plan_bounds_the_time_by_the_steps_so_far(directory: Path) -> None:
    ops = {name: {"attempts": 1, "seconds": 1.0} for name in ("load", "total")}
    Path("run.json").write_text(json.dumps({"ops": ops}))
    printed = _show("plan", "-j", "fan", "--timings", "run.json")
    assert (
        "longest path    at least 2 steps, 2.0 s: load → total; steps of dynamic outputs" in printed
    )
    assert (
        "takes at least  2.0 s, because of the longest path, by the times of run.json; steps of "
        "dynamic outputs" in printed
    )


def test_a_mapped_op_that_no_node_can_run_is_named(directory: Path) -> None:
    assert "problem         op 'ask' asks for 1 redshift" in _show("plan", "-j", "lacking")


def _compiled(job: str) -> Plan:
    module: dict[str, Any] = {}
    exec(JOBS, module)
    return compile_job(module[job])


def test_the_order_of_a_plan_has_each_node_behind_its_sources(directory: Path) -> None:
    plan = _compiled("late")
    keys = [
        plan.mapped_nodes[node].key if isinstance(node, int) else node.key
        for node in in_order(plan)
    ]
    assert keys == ["load", "start", "pair", "total"]


def test_mapped_ops_at_work_are_shown_before_others(directory: Path) -> None:
    plan = _compiled("wide")
    counts = MappedCounts(plan)
    counts.complete = {node.key for node in plan.mapped_nodes}
    counts.steps.update({f"clean_{index}": 5 for index in range(9)})
    counts.over.update(
        {f"clean_{index}": 5 if index < 5 else 2 if index < 8 else 0 for index in range(9)}
    )
    console = Console(width=80, file=io.StringIO())
    console.print(*mapped_lines(counts.progress({"clean_6": 2}), 4))
    printed = console.file.getvalue().splitlines()  # type: ignore[attr-defined]  # a StringIO
    assert [re.sub(" +━*╸?╺?━* +", " ", line).strip() for line in printed if line.strip()] == [
        "clean_5 2 of 5",
        "clean_6 2 of 5 · 2 running",
        "clean_7 2 of 5",
        "and 6 more ops",
    ]


def test_print_and_list_have_mapped_ops(directory: Path) -> None:
    printed = _show("print", "-j", "nested")
    assert "├─ split [for each value of load.result]\n" in printed
    assert "├─ clean [for each value of load.result, part.split.result]\n" in printed
    assert "xs: Any ← part, collected" in printed
    nodes = json.loads(_show("print", "-j", "fan", "--json"))["nodes"]
    assert [(node["name"], node["for_each"]) for node in nodes] == [
        ("load", []),
        ("clean", ["load.result"]),
        ("check", ["load.result"]),
        ("total", []),
    ]
    jobs = {job["name"]: job["ops"] for job in json.loads(_show("list", "--json"))["jobs"]}
    assert jobs["nested"] == ["load", "part.split", "part.clean", "part.total", "all"]


def test_scaffolded_config_has_mapped_ops(directory: Path) -> None:
    scaffolded = _show("scaffold-config", "-j", "fan")
    assert yaml.safe_load(scaffolded)["ops"] == {
        "load": {"config": {"n": 4}},
        "check": {"config": {"fails": False}},
    }
    Path("scaffolded.yaml").write_text(scaffolded)
    _show("plan", "-j", "fan", "-c", "scaffolded.yaml")


def test_the_view_grows_with_the_steps(directory: Path) -> None:
    ended = run_on_terminal(
        *_arguments("nested", "ops: {load: {config: {n: 12}}}\n"), cwd=directory
    )
    assert ended.code == 0
    plain = _plain(ended.stdout)
    assert re.search(r"\d+ of at least \d+ steps done", plain)
    assert re.search(r"part\.split +━\S*  +\d+ of 12", plain)
    assert re.search(r"part\.clean +━\S*  +\d+ of \d+ so far", plain)
    assert " of 62 steps done" in plain
    table = [line.split()[:3] for line in screen(ended.stdout)]
    assert ["clean", "succeeded", "36"] in table
    assert ["total", "succeeded", "13"] in table


def test_the_view_has_few_lines_for_many_mapped_ops(directory: Path) -> None:
    ended = run_on_terminal(*_arguments("wide", "ops: {load: {config: {n: 20}}}\n"), cwd=directory)
    assert ended.code == 0
    frames = _plain(ended.stdout).split("wide  running")[1:]
    assert frames
    assert max(len(re.findall(r"clean_\d +━", frame)) for frame in frames) == 5
    assert any("and 4 more ops" in frame for frame in frames)


@pytest.mark.long("steps of some seconds on Ray, below a terminal")
def test_the_view_names_few_of_the_running_steps_of_a_mapped_op(directory: Path) -> None:
    config = (
        "ops: {load: {config: {n: 12}}}\nexecution: {config: {multiprocess: {max_concurrent: 6}}}\n"
    )
    Path("naps.yaml").write_text(config)
    ended = run_on_terminal(
        "job", "execute", "-f", "dynamic_jobs.py", "-j", "naps", "-c", "naps.yaml", cwd=directory
    )
    assert ended.code == 0
    frames = [
        frame for frame in _plain(ended.stdout).split("naps  running") if " · 6 running" in frame
    ]
    assert frames
    assert all(
        len(re.findall(r"nap\[k\d+\] ", frame)) == 3 and "and 3 more" in frame for frame in frames
    )


def test_the_summary_has_mapped_steps_behind_their_cause(directory: Path) -> None:
    ended = run_on_terminal(*_arguments("fan"), cwd=directory)
    rows = [
        line.split()[0]
        for line in screen(ended.stdout)
        if " succeeded " in line and not line.startswith("Run")
    ]
    mapped = [f"{op}[k{index}]" for index in range(4) for op in ("clean", "check")]
    assert rows == ["load", *mapped, "total"]


FAILING = "ops: {load: {config: {n: 80}}, check: {config: {fails: true}}}\n"


def test_many_failures_of_one_mapped_op_fill_no_more_than_a_screen(directory: Path) -> None:
    ended = run_on_terminal(*_arguments("fan", FAILING), cwd=directory)
    assert ended.code == 1
    lines = screen(ended.stdout)
    assert sum("Execution of step" in line for line in lines) == 10
    assert "More steps of check failed; from now on they are only counted." in lines
    assert sum(line.startswith('Step "check[') for line in lines) == 3
    text = " ".join(lines)
    assert "40 steps failed; 3 are shown, --json lists them all." in text
    assert re.search(r"Also failed: check\[k7\], .*check\[k45\] and 17 more *$", text)
    assert re.search(r"Dependencies for step total failed: .* and 30 more\]", text)
    assert any(line.split()[:3] == ["check", "failed", "40"] for line in lines)


def test_json_lists_all_mapped_steps_that_failed(directory: Path) -> None:
    outcome = json.loads(run(*_arguments("fan", FAILING), "--json", cwd=directory).stdout)
    assert outcome["steps"] == {"succeeded": 121, "failed": 40, "skipped": 0, "not run": 1}
    assert [each["step_key"] for each in outcome["failed_steps"]] == [
        f"check[k{index}]" for index in range(1, 80, 2)
    ]
    assert outcome["ops"]["clean"]["attempts"] == 80


MISTAKES = """
from rayexec import DynamicOut, DynamicOutput, job, op

@op(out=DynamicOut())
def load():
    yield DynamicOutput(1, {first!r})
    yield DynamicOutput(2, {second!r})

@op
def follow(x):
    return x

@job
def mistaken():
    {body}
"""


@pytest.mark.parametrize(
    ("keys", "body", "code", "message"),
    [
        (
            "ab",
            "follow(load())",
            2,
            "Run follow for each of them by .map(follow), or pass all of them in a list",
        ),
        (
            "ab",
            "[follow(each) for each in load()]",
            2,
            "run an op for each by .map(op), or pass all of them in a list",
        ),
        (
            "ab",
            "follow(load().collect()).map(follow)",
            2,
            "is one value here, so there is nothing to map",
        ),
        (
            "aa",
            "load().map(follow)",
            1,
            'op "load" yielded a DynamicOutput with mapping key "a" twice.',
        ),
        (
            "a-",
            "load().map(follow)",
            1,
            "'-' is not a valid name for a mapping key: use letters, digits and underscores only",
        ),
    ],
)
def test_mistakes_with_dynamic_outputs(
    directory: Path, keys: str, body: str, code: int, message: str
) -> None:
    Path("mistaken.py").write_text(MISTAKES.format(first=keys[0], second=keys[1], body=body))
    ended = run("job", "execute", "-f", "mistaken.py", "-c", "here.yaml", cwd=directory)
    assert ended.code == code
    message_printed = ended.stderr.partition("Error: ")[2]
    assert message in message_printed
