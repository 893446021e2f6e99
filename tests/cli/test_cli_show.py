"""Jobs that are shown and not run: ``job print``, ``job plan``, ``job scaffold-config``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli_process import imports_undone
from typer.testing import CliRunner

from rayexec.cli.main import app
from rayexec.placement.capacity import Capacity

JOBS = '''
from rayexec import Config, In, Nothing, Out, Output, graph, job, op, resource
from rayexec import in_process_executor, ray_executor

class Conf(Config):
    n: int
    label: str = "x"

@op(out={"a": Out(int), "b": Out(str, is_required=False)})
def split(config: Conf):
    """Splits it.

    In two."""
    yield Output(config.n, "a")

@op
def add(x: int, y: int = 5) -> int:
    return x + y

@op(ins={"start": In(Nothing)}, ray_options={"num_cpus": 2, "memory": 3 * 1024**3})
def gather(xs: list):
    return sum(xs)

@op(tags={"db": "red"})
def nap():
    pass

@op(required_resource_keys={"db"})
def use(s: str):
    pass

@resource(config_schema={"url": str})
def db(context):
    return context.resource_config["url"]

@graph
def inner(x, z):
    return add(add(x), z)

@job(resource_defs={"db": db})
def big():
    a, b = split()
    use(b)
    gather([inner(a), add.alias("more")(a)], start=nap())

@job
def huge():
    gather.alias("hungry")(nap())

@job(executor_def=in_process_executor)
def here():
    add(split().a)

@job(executor_def=ray_executor)
def there():
    add(split().a)
'''

TREE = """\
big
├─ split  — Splits it.
│    → a: int
│    → b: str (optional)
├─ use
│    s: str ← split.b
│    → result: Any
├─ inner (graph)
│  │ x ← split.a
│  │ z ← run config
│  │ → result ← add_2
│  ├─ add
│  │    x: int ← input x
│  │    y: int ← run config, or 5
│  │    → result: int
│  └─ add_2 (op add)
│       x: int ← add
│       y: int ← input z
│       → result: int
├─ more (op add)
│    x: int ← split.a
│    y: int ← run config, or 5
│    → result: int
├─ nap
│    → result: Any
└─ gather
     start: Nothing ← nap
     xs: list ← [inner, more]
     → result: Any
"""

BIG = (
    "ops: {split: {config: {n: 1}}, inner: {inputs: {z: 4}}}\nresources: {db: {config: {url: u}}}\n"
)


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> Iterator[None]:
    with imports_undone(tmp_path):
        Path("shown_jobs.py").write_text(JOBS)
        Path("big.yaml").write_text(BIG)
        yield


def _run(command: str, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["job", command, "-f", "shown_jobs.py", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def _json(command: str, *arguments: str) -> Any:
    return json.loads(_run(command, *arguments, "--json"))


def test_print_draws_the_tree() -> None:
    assert _run("print", "-j", "big") == TREE


def test_print_of_a_selection_shows_what_is_cut() -> None:
    assert _run("print", "-j", "big", "-o", "inner.add_2,nap") == (
        "big\n"
        "├─ inner (graph)\n"
        "│  │ x ← run config\n"
        "│  │ z ← run config\n"
        "│  │ → result ← add_2\n"
        "│  └─ add_2 (op add)\n"
        "│       x: int ← run config\n"
        "│       y: int ← input z\n"
        "│       → result: int\n"
        "└─ nap\n"
        "     → result: Any\n"
    )


def test_print_as_json() -> None:
    printed = _json("print", "-j", "big")
    nodes = {node["name"]: node for node in printed["nodes"]}
    assert nodes["more"]["definition"] == "add"
    assert nodes["gather"]["inputs"][1] == {
        "name": "xs",
        "type": "list",
        "from": ["inner", "more"],
        "default": None,
    }
    assert [node["name"] for node in nodes["inner"]["nodes"]] == ["add", "add_2"]


def test_list_as_json() -> None:
    jobs = _json("list")["jobs"]
    assert [job["name"] for job in jobs] == ["big", "huge", "here", "there"]
    assert jobs[0]["ops"] == ["split", "use", "inner.add", "inner.add_2", "more", "nap", "gather"]


def test_plan_lists_steps_with_requests() -> None:
    printed = _run("plan", "-j", "big", "-c", "big.yaml", "--max-concurrent", "1")
    lines = printed.splitlines()
    assert lines[0].startswith("big: 7 steps")
    rows = [" ".join(line.split()) for line in lines[3:10]]
    assert rows[:2] == ["1 split 1 CPU -", "2 use 1 CPU split"]
    assert rows[6].startswith("7 gather 2 CPU, 3 GiB memory")
    assert rows[6].endswith("nap, inner.add_2, more")
    assert "max_concurrent  1 (from the config or the command line); held by" in printed


def test_plan_as_json_has_limits_and_who_holds_them() -> None:
    Path("limits.yaml").write_text(
        "execution: {config: {ray: {max_concurrent: 2, tag_concurrency_limits: [{key: db, limit: "
        "1}]}}}\n"
    )
    plan = _json("plan", "-j", "big", "-c", "big.yaml", "-c", "limits.yaml")
    limits = plan["execution"]
    assert limits["engine"] == "ray"
    assert limits["max_concurrent"]["limit"] == 2
    held = {
        each["limit"]: (each["most"], each["steps"], each["held_by"]) for each in plan["limits"]
    }
    assert held == {"max_concurrent": (2, 7, "token"), "db": (1, 1, "token")}
    assert plan["steps"][5]["limits"] == {"db": 1}
    assert plan["steps"][0]["key"] == "split"
    assert plan["steps"][5]["tags"] == {"db": "red"}
    assert plan["steps"][6]["request"]["num_cpus"] == 2


def test_plan_says_what_this_machine_cannot_do(monkeypatch: pytest.MonkeyPatch) -> None:
    one_cpu = Capacity(({"CPU": 1.0},), is_own=True)
    monkeypatch.setattr("rayexec.views.plan_preview.capacity_here", lambda: one_cpu)
    Path("value.yaml").write_text("ops: {hungry: {inputs: {xs: []}}}\n")
    printed = _run("plan", "-j", "huge", "-o", "hungry", "-c", "value.yaml")
    assert "problem         op 'gather' asks for 2 CPU (the largest node has 1)" in printed


def test_plan_warns_of_an_environment_of_an_ops_own_and_not_of_the_runs() -> None:
    own = 'RayOptions(runtime_env={"env_vars": {"A": "b"}})'
    Path("own.py").write_text(
        f"from rayexec import RayOptions, job, op\n@op(ray_options={own})\ndef own(): "
        f"pass\n@job\ndef envs(): own()\n"
    )
    Path("env.yaml").write_text("execution: {config: {ray: {runtime_env: {env_vars: {C: d}}}}}\n")
    result = CliRunner().invoke(app, ["job", "plan", "-f", "own.py", "-c", "env.yaml"])
    assert result.exit_code == 0, result.output
    (note,) = [line for line in result.stdout.splitlines() if line.startswith("note")]
    assert (
        "op 'own' has a runtime_env of its own, which no warm worker has: workers start for it"
        in note
    )


def test_plan_bounds_the_time_of_a_run_by_timings_of_another() -> None:
    ops = {"gather": {"attempts": 1, "seconds": 4.0}, "nap": {"attempts": 2, "seconds": 3.0}}
    Path("run.json").write_text(json.dumps({"ops": ops}))
    printed = _run("plan", "-j", "huge", "--timings", "run.json", "--max-concurrent", "4")
    assert "longest path    2 steps, 5.5 s: nap → hungry" in printed
    assert "takes at least  5.5 s, because of the longest path" in printed
    assert "by the times of run.json" in printed
    without = _run("plan", "-j", "huge")
    assert "longest path    2 steps: nap → hungry" in without
    assert "takes at least" not in without


def test_plan_bounds_the_time_by_the_last_run_that_succeeded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path))
    plan = ("plan", "-j", "here", "-c", "here.yaml")
    Path("here.yaml").write_text("ops: {split: {config: {n: 1}}}\n")
    assert "takes at least" not in _run(*plan)
    first = _json("execute", "-j", "here", "-c", "here.yaml")
    planned = _json(*plan)
    assert planned["timings"] == f"run {first['run_id'][:8]}"
    assert planned["makespan_bound"]["seconds"] == pytest.approx(
        sum(each["seconds"] for each in first["ops"].values()), abs=1e-5
    )
    second = _json("execute", "-j", "here", "-c", "here.yaml")
    assert f"by the times of run {second['run_id'][:8]}" in _run(*plan)
    record = tmp_path / "runs" / second["run_id"] / "run.json"
    original = record.read_text()
    for left in (original.replace('"SUCCESS"', '"FAILURE"'), "damaged"):
        assert left != original
        record.write_text(left)
        assert _json(*plan)["timings"] == f"run {first['run_id'][:8]}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "holds no timings of ops"),
        ('{"ops": {"nap": {"attempts": 1}}}', "holds no timings of ops"),
        ('{"ops": {"nap": {"attempts": 1, "seconds": 1}}}', "it knows no op 'gather'"),
    ],
)
def test_plan_refuses_what_holds_no_timings(text: str, message: str) -> None:
    Path("run.json").write_text(text)
    arguments = ["job", "plan", "-f", "shown_jobs.py", "-j", "huge", "--timings", "run.json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_plan_of_a_cluster_that_is_not_asked() -> None:
    Path("away.yaml").write_text('execution: {config: {ray: {address: "10.9.9.9:6379"}}}\n')
    printed = _run("plan", "-j", "huge", "-o", "nap", "-c", "away.yaml")
    assert "the Ray cluster at 10.9.9.9:6379" in printed
    assert "as many as the cluster's CPUs take; held by Ray" in printed


def test_plan_in_process_asks_ray_for_nothing() -> None:
    Path("n.yaml").write_text("ops: {split: {config: {n: 1}}}\n")
    printed = _run("plan", "-j", "here", "-c", "n.yaml")
    assert "asks Ray for" not in printed
    assert "in_process" in printed


def test_plan_starts_no_ray() -> None:
    script = (
        "import sys; from typer.testing import CliRunner; from rayexec.cli.main import app\n"
        "r = CliRunner().invoke(app, ['job', 'plan', '-f', 'shown_jobs.py', '-j', 'big', '-c', "
        "'big.yaml'])\n"
        "assert r.exit_code == 0, r.output\n"
        "ray = sys.modules.get('ray'); print('STARTED', ray is not None and "
        "ray.is_initialized())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "STARTED False" in done.stdout


def test_plan_with_config_that_does_not_fit_is_2() -> None:
    result = CliRunner().invoke(app, ["job", "plan", "-f", "shown_jobs.py", "-j", "big"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "root:ops:split:config: missing" in result.stderr
    assert "root:resources:db:config:url" in result.stderr


@pytest.mark.parametrize("job", ["big", "here", "there"])
@pytest.mark.parametrize("options", [(), ("--only-required",)])
def test_scaffolded_config_is_valid_unchanged(job: str, options: tuple[str, ...]) -> None:
    scaffolded = _run("scaffold-config", "-j", job, *options)
    document = yaml.safe_load(scaffolded)
    assert document["ops"]["split"]["config"] == ({"n": 0} if options else {"n": 0, "label": "x"})
    Path("scaffolded.yaml").write_text(scaffolded)
    _run("plan", "-j", job, "-c", "scaffolded.yaml")


def test_scaffold_of_a_job_that_needs_nothing() -> None:
    scaffolded = _run("scaffold-config", "-j", "huge", "-o", "nap", "--only-required")
    assert yaml.safe_load(scaffolded) == {}
