"""``job plan``: preview of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rayexec.cli.exit_codes import SUCCEEDED, with_exit_code
from rayexec.cli.parsing import RunOptions, parse_selection
from rayexec.cli.render.plan_lines import plan_lines
from rayexec.cli.streams import results_on_stdout, write_json
from rayexec.config.execution import override_execution
from rayexec.config.yaml_files import read_run_config
from rayexec.execute import prepare
from rayexec.launch.job_file import JobSource, load_job
from rayexec.run.spec import RunSpec
from rayexec.views.plan_preview import capacity_for, preview
from rayexec.views.step_times import last_timings, timings_of_file

__all__ = ["print_plan"]


@with_exit_code
def print_plan(
    source: JobSource, wanted: RunOptions, *, timings: Path | None = None, as_json: bool
) -> int:
    """Print the steps of a run with their requests, and its limits.

    A cluster is asked only with an address among the options.
    """
    with results_on_stdout() as results:
        selection = parse_selection(wanted.op_selection)
        config = read_run_config(wanted.config)
        spec = _with_options(prepare(load_job(source), config, op_selection=selection), wanted)
        plan = spec.plan
        times = last_timings(plan) if timings is None else timings_of_file(plan, timings)
        run = preview(spec, capacity_for(spec, wanted.execution.get("address")), times)
        if as_json:
            write_json(results, run.to_dict())
        else:
            results.writelines(f"{line}\n" for line in plan_lines(run))
    return SUCCEEDED


def _with_options(spec: RunSpec, wanted: RunOptions) -> RunSpec:
    """Return ``spec`` with the options over its config, as a run has them."""
    settings = override_execution(spec.config.execution, **wanted.execution)
    return replace(spec, config=replace(spec.config, execution=settings))
