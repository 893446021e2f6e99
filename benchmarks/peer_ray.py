"""rayexec itself, and the same graphs as hand-written Ray tasks, on one Ray."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import rayexec
from benchmarks.fine import Dag
from benchmarks.jobs import make_job, make_napping_job
from benchmarks.measure import REPEATS
from benchmarks.peer import CHAIN, FAN_OUT, LAYERED, Run, follow, join, nap, source
from rayexec.plan import compile_job

SIZES: Mapping[str, int] = {FAN_OUT: 10_000, CHAIN: 1_000, LAYERED: 200}


class Rayexec:
    """Jobs compiled before; the answer comes from the result."""

    name = "rayexec"
    modules: tuple[str, ...] = ("rayexec",)
    sizes = SIZES
    repeats = REPEATS
    warm_up = 1_000
    compiled_before = True

    def start(self) -> None:
        """Do nothing: it runs on the present Ray."""

    def fan_out(self, width: int) -> Run:
        """Prepare a fan-out and its join."""
        return self._run(make_job(rayexec, "join", width + 2), "add_up")

    def chain(self, steps: int) -> Run:
        """Prepare a chain."""
        return self._run(make_job(rayexec, "chain", steps), f"follow_{steps - 1}")

    def layered(self, dag: Dag) -> Run:
        """Prepare naps."""
        job, run_config = make_napping_job(rayexec, dag)
        return self._run(job, f"s{len(dag) - 1}", run_config)

    def stop(self) -> None:
        """Do nothing: others use the same Ray."""

    def _run(self, job: Any, last: str, run_config: Any = None) -> Run:
        if self.compiled_before:
            compile_job(job)

        def run() -> int:
            return int(job.execute(run_config, raise_on_error=True).output_for_node(last))

        return run


class RayexecCompiling(Rayexec):
    """The same with compiling counted: each run is the first of its job."""

    name = "rayexec, compiling counted"
    compiled_before = False


class RayexecDefining(RayexecCompiling):
    """The same with defining counted too."""

    name = "rayexec, defining and compiling counted"

    def fan_out(self, width: int) -> Run:
        """Put off the preparing of a fan-out."""
        return self._later(super().fan_out, width)

    def chain(self, steps: int) -> Run:
        """Put off the preparing of a chain."""
        return self._later(super().chain, steps)

    def layered(self, dag: Dag) -> Run:
        """Put off the preparing of naps."""
        return self._later(super().layered, dag)

    def _later(self, prepare: Callable[[Any], Run], of: Any) -> Run:
        def run() -> int:
            return prepare(of)()

        return run


class RayByHand:
    """One Ray task a step, references passed straight on, one ``ray.get`` at the end."""

    name = "Ray by hand, a task a step"
    modules: tuple[str, ...] = ("ray",)
    sizes = SIZES
    repeats = REPEATS
    warm_up = 40

    def start(self) -> None:
        """Declare the remote functions; they run on the present Ray."""
        import ray

        self._get = ray.get
        self._source, self._follow = ray.remote(source), ray.remote(follow)
        # An argument each, since Ray waits for references among the arguments and not for those in
        # a list.
        self._join = ray.remote(lambda *values: join(values))
        self._nap = ray.remote(lambda length, *values: nap(length, values))

    def fan_out(self, width: int) -> Run:
        """Prepare a fan-out and its join."""

        def run() -> int:
            value = self._source.remote()
            return int(
                self._get(self._join.remote(*[self._follow.remote(value) for _ in range(width)]))
            )

        return run

    def chain(self, steps: int) -> Run:
        """Prepare a chain."""

        def run() -> int:
            value = self._source.remote()
            for _ in range(steps - 1):
                value = self._follow.remote(value)
            return int(self._get(value))

        return run

    def layered(self, dag: Dag) -> Run:
        """Prepare naps."""

        def run() -> int:
            made: list[Any] = []
            for length, before in dag:
                made.append(self._nap.remote(length, *[made[each] for each in before]))
            return int(self._get(made[-1]))

        return run

    def stop(self) -> None:
        """Do nothing: others use the same Ray."""
