"""Dagster on its own: the same jobs in this process, and a process a step."""

from __future__ import annotations

import importlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.core import SILENT
from benchmarks.fine import SLOTS, Dag
from benchmarks.jobs import make_job, make_napping_job
from benchmarks.peer import CHAIN, FAN_OUT, LAYERED, Run

MULTIPROCESS = {"execution": {"config": {"multiprocess": {"max_concurrent": SLOTS}}}}


class DagsterInProcess:
    """The jobs by ``execute_in_process``, one step at a time, without the console logger."""

    name = "Dagster, in-process"
    modules: tuple[str, ...] = ("dagster",)
    sizes: Mapping[str, int] = {FAN_OUT: 1_000, CHAIN: 1_000, LAYERED: 200}
    repeats = 3
    warm_up = 1

    def start(self) -> None:
        """Import it."""
        self._dagster = importlib.import_module("dagster")

    def fan_out(self, width: int) -> Run:
        """Prepare a fan-out and its join."""
        return self._run(make_job(self._dagster, "join", width + 2), "add_up")

    def chain(self, steps: int) -> Run:
        """Prepare a chain."""
        return self._run(make_job(self._dagster, "chain", steps), f"follow_{steps - 1}")

    def layered(self, dag: Dag) -> Run:
        """Prepare naps."""
        job, run_config = make_napping_job(self._dagster, dag)
        return self._run(job, f"s{len(dag) - 1}", run_config)

    def stop(self) -> None:
        """Do nothing."""

    def _run(self, job: Any, last: str, run_config: Any = None) -> Run:
        config = {**SILENT, **(run_config or {})}

        def run() -> int:
            return int(job.execute_in_process(run_config=config).output_for_node(last))

        return run


class DagsterMultiprocess:
    """The jobs on the multiprocess executor, with an instance in a folder of its own.

    Each step starts a process that imports Dagster and the job, so nothing needs warming up.
    """

    name = "Dagster, multiprocess"
    modules: tuple[str, ...] = ("dagster",)
    sizes: Mapping[str, int] = {FAN_OUT: 10, CHAIN: 6, LAYERED: 20}
    repeats = 3
    warm_up = 0

    def start(self) -> None:
        """Make the instance."""
        self._dagster = importlib.import_module("dagster")
        self._folder = tempfile.TemporaryDirectory()
        self._instance = self._dagster.DagsterInstance.local_temp(
            self._folder.name,
            # The log of the instance, which the run config does not reach.
            overrides={
                "telemetry": {"enabled": False},
                "python_logs": {"python_log_level": "CRITICAL"},
            },
        )

    def fan_out(self, width: int) -> Run:
        """Prepare a fan-out and its join."""
        return self._run("no_ops", ["join", width + 2], "add_up")

    def chain(self, steps: int) -> Run:
        """Prepare a chain."""
        return self._run("no_ops", ["chain", steps], f"follow_{steps - 1}")

    def layered(self, dag: Dag) -> Run:
        """Prepare naps."""
        _, run_config = make_napping_job(self._dagster, dag)
        return self._run("naps", [json.dumps(dag)], f"s{len(dag) - 1}", run_config)

    def stop(self) -> None:
        """Remove the instance."""
        self._instance.dispose()
        self._folder.cleanup()

    def _run(self, maker: str, args: list[Any], last: str, run_config: Any = None) -> Run:
        job = self._dagster.build_reconstructable_job(
            "benchmarks.dagster_jobs",
            maker,
            tuple(args),
            reconstructor_working_directory=str(Path(__file__).parents[1]),
        )
        config = {**SILENT, **MULTIPROCESS, **(run_config or {})}

        def run() -> int:
            with self._dagster.execute_job(
                job, instance=self._instance, run_config=config, raise_on_error=True
            ) as result:
                return int(result.output_for_node(last))

        return run
