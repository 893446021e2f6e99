"""`rayexec bench`: its tables, JSON, plot and mistakes. No test judges a figure by its size."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_process import run, run_on_terminal, screen
from typer.testing import CliRunner, Result

from rayexec import job, op
from rayexec.cli.commands import bench_measure as measure
from rayexec.cli.commands.bench_figures import Machine
from rayexec.cli.commands.bench_jobs import NAP_S, chain_job, fan_out_job, naps_job, transfer_job
from rayexec.cli.commands.bench_measure import LimitFigures, MakespanFigures, default_limits
from rayexec.cli.commands.bench_plot import draw_makespans
from rayexec.cli.main import app
from rayexec.execute import execute_in_process
from rayexec.placement.capacity import Capacity

pytestmark = pytest.mark.long("measures, in several Rays of its own")

SMALL = (
    "bench",
    "--quick",
    "--steps",
    "30",
    "--size",
    "1",
    "--max-concurrent",
    "2",
    "--max-concurrent",
    "4",
)
MACHINE = Machine("0.1.0", "2.60.0", "3.11.7", "Linux x86_64", 1, 2.0, None)


Bench = Callable[..., Result]


@pytest.fixture
def bench(ray_session: None) -> Bench:
    """Run the command in this process, on the Ray of the tests, which it leaves running."""
    return lambda *arguments: CliRunner().invoke(app, arguments)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    ended = run(*SMALL, "--json", "--max-concurrent", "2", cwd=tmp_path_factory.mktemp("document"))
    assert ended.code == 0, ended.stderr
    assert ended.left_over == []
    figures: dict[str, Any] = json.loads(ended.stdout)
    return figures


def test_the_table_has_each_figure(bench: Bench) -> None:
    result = bench(*SMALL)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[1] == "4 CPUs on 1 node, a Ray of its own"
    rows = {line.split("  ")[0]: line.split() for line in lines if line}
    for name in ("fan-out", "chain", "a hop", "store", "read", "2", "4"):
        assert name in rows
        figures = rows[name][1:] if name != "a hop" else rows[name][2:]
        assert len(figures) == 4 if name != "a hop" else 3
    assert rows["fan-out"][1] == rows["chain"][1] == "30"
    assert max(map(len, lines)) <= 80
    assert "Medians of 3 runs" in result.stdout
    assert "max_concurrent" in rows
    assert "bench: naps with max_concurrent 2, 4\n" in result.stderr
    assert "bench:" not in result.stdout
    assert "STEP_" not in result.output


def test_json_has_all_figures(document: dict[str, Any]) -> None:
    machine = document["machine"]
    assert machine["nodes"] == 1
    assert machine["cpus"] >= 1
    assert machine["address"] is None
    assert all(machine[name] for name in ("rayexec", "ray", "python", "platform"))
    assert [each["shape"] for each in document["no_op_steps"]] == ["fan-out", "chain"]
    for row in document["no_op_steps"]:
        assert row["steps"] == 30
        assert (
            min(
                row["steps_per_second"],
                row["seconds_per_step"],
                row["first_seconds"],
                *row["runs"],
            )
            > 0
        )
        assert row["seconds"] == sorted(row["runs"])[1]
    assert document["hop"]["hops"] == 49 * 3
    assert 0 < document["hop"]["median_seconds"] <= document["hop"]["p95_seconds"]
    store = document["object_store"]
    assert store["bytes"] == 1_000_000
    assert len(store["store_runs"]) == len(store["read_runs"]) == 3
    assert min(store["store_bytes_per_second"], store["read_bytes_per_second"]) > 0


def test_json_has_makespans_that_no_schedule_beats(document: dict[str, Any]) -> None:
    makespan = document["makespan"]
    assert (makespan["naps"], makespan["nap_seconds"]) == (64, NAP_S)
    assert [each["max_concurrent"] for each in makespan["limits"]] == [
        2,
        4,
    ]  # asked for twice, measured once
    for row in makespan["limits"]:
        assert row["ideal_seconds"] == pytest.approx(64 * NAP_S / row["max_concurrent"])
        assert row["seconds"] >= row["ideal_seconds"]
        assert row["to_ideal"] >= 1
        assert 0 < row["speed_up"] <= row["max_concurrent"]


@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG\r\n\x1a\n"), (".SVG", b"<?xml")])
@pytest.mark.parametrize("limits", [(1,), (1, 2, 3, 4, 8)])
def test_plots_are_what_their_names_say(
    tmp_path: Path, suffix: str, magic: bytes, limits: tuple[int, ...]
) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / f"makespan{suffix}"
    rows = tuple(LimitFigures(limit, 1.28 / limit, (1.3 / limit,)) for limit in limits)
    draw_makespans(MakespanFigures(64, NAP_S, rows), MACHINE, path)
    assert path.read_bytes().startswith(magic)


def test_the_command_draws_the_plot(bench: Bench, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    result = bench(*SMALL, "--plot", f"{tmp_path}/makespan.svg")
    assert result.exit_code == 0, result.output
    assert result.stderr.endswith(f"bench: the plot is in {tmp_path}/makespan.svg\n")
    drawn = (tmp_path / "makespan.svg").read_text()
    assert drawn.startswith("<?xml")
    assert "</svg>" in drawn


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--plot", "makespan.pdf"), "must end in .png or .svg"),
        (("--plot", "no/such/makespan.png"), "there is no directory no/such"),
        (("--plot", "folder.png"), "that is a directory"),
        (("--steps", "0"), "--steps"),
        (("--size", "0"), "--size"),
        (("--max-concurrent", "0"), "--max-concurrent"),
        (("--max-concurrent", "many"), "--max-concurrent"),
    ],
)
def test_mistakes_are_told_before_ray_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    result = CliRunner().invoke(app, ["bench", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr
    assert "starting Ray" not in result.output
    assert "Traceback" not in result.output


def test_without_matplotlib_a_plot_is_refused_at_once(tmp_path: Path) -> None:
    ended = run(
        "bench",
        "--plot",
        "a.png",
        cwd=tmp_path,
        before="import sys; sys.modules['matplotlib'] = None",
    )
    assert ended.code == 2
    assert ended.stderr.startswith("Error: --plot needs matplotlib")
    assert "pip install 'rayexec-jobs[plot]'" in ended.stderr
    assert "starting Ray" not in ended.stderr


def test_a_value_beyond_the_object_store_is_refused(bench: Bench) -> None:
    result = bench("bench", "--size", "100000000")
    assert result.exit_code == 2
    assert "Error: --size 100000000: the object store of a node has " in result.stderr
    assert result.stdout == ""


def test_a_step_that_fails_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    @op
    def broken() -> None:
        raise ValueError("not today")

    @job
    def chain() -> None:
        broken()

    monkeypatch.setattr(measure, "chain_job", lambda steps: chain)
    result = bench(*SMALL)
    assert result.exit_code == 1
    assert "Error: the benchmark's job 'chain' failed." in result.stderr
    assert 'Step "broken" failed: ValueError: not today' in result.stderr
    assert result.stdout == ""


def test_nothing_answers_at_the_address(tmp_path: Path) -> None:
    ended = run("bench", "--address", "127.0.0.1:1", cwd=tmp_path)
    assert ended.code == 1
    assert "Error: no Ray answers at 127.0.0.1:1" in ended.stderr


@pytest.mark.parametrize("until", ["bench: starting Ray", "bench: starting workers"])
def test_an_interrupt_ends_it_in_a_line(tmp_path: Path, until: str) -> None:
    ended = run_on_terminal(*SMALL, cwd=tmp_path, until=until)
    assert ended.code == 1
    assert [line for line in screen(ended.stdout) if line][-1].endswith("Error: Interrupted.")
    assert "Traceback" not in ended.stdout
    assert ended.left_over == []


def test_help_names_the_options_and_loads_nothing_heavy() -> None:
    heavy = "{'ray', 'pyarrow', 'matplotlib', 'rayexec.execute', 'rayexec.cli.commands.bench_run'}"
    script = (
        "import sys; sys.argv = ['rayexec', 'bench', '--help']\n"
        "from rayexec.cli.main import main\n"
        "try: main()\n"
        f"finally: print('LOADED', sorted({heavy} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "LOADED []" in done.stdout
    assert "Example: rayexec bench" in done.stdout
    assert all(
        name in done.stdout
        for name in ("--address", "--max-concurrent", "--quick", "--plot", "--json")
    )


def test_the_jobs_do_what_is_measured() -> None:
    assert execute_in_process(fan_out_job(10)).output_for_node("join") == 8
    assert len(execute_in_process(chain_job(10)).get_step_success_events()) == 10
    assert len(execute_in_process(naps_job(2)).get_step_success_events()) == 2
    assert (
        execute_in_process(transfer_job(10_001)).output_for_node("read") == 10_001
    )  # so each word was read


@pytest.mark.parametrize(
    ("nodes", "limits"),
    [
        ([1], (1, 2, 4)),
        ([2], (1, 2, 4)),
        ([6], (1, 2, 4, 8)),
        ([8, 8], (1, 2, 4, 8, 16)),
        ([500], (1, 2, 4, 8, 16, 32, 64, 128)),
    ],
)
def test_limits_follow_the_cpus(nodes: list[int], limits: tuple[int, ...]) -> None:
    capacity = Capacity(tuple({"CPU": float(cpus)} for cpus in nodes), True)
    assert default_limits(capacity) == limits
