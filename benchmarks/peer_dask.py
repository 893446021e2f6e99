"""Dask distributed: futures on a local cluster."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from benchmarks.fine import SLOTS, Dag
from benchmarks.measure import REPEATS
from benchmarks.peer import CHAIN, FAN_OUT, LAYERED, Run, follow, join, nap, source


class Dask:
    """A future a step on worker processes of one thread each, the fan-out by ``client.map``.

    A delayed graph computed at once was no faster, in a chain or a fan-out.
    """

    name = "Dask distributed, futures"
    modules: tuple[str, ...] = ("distributed",)
    sizes: Mapping[str, int] = {FAN_OUT: 10_000, CHAIN: 1_000, LAYERED: 200}
    repeats = REPEATS
    warm_up = 40

    def start(self) -> None:
        """Start the workers."""
        distributed = importlib.import_module("distributed")
        self._cluster = distributed.LocalCluster(
            n_workers=SLOTS,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
        self._client = distributed.Client(self._cluster)
        self._client.wait_for_workers(SLOTS)
        # Pure calls with the same arguments would be one step.
        self._submit = partial(self._client.submit, pure=False)

    def fan_out(self, width: int) -> Run:
        """Prepare a fan-out and its join."""

        def run() -> int:
            value = self._submit(source)
            values = self._client.map(follow, [value] * width, pure=False)
            return int(self._submit(join, values).result())

        return run

    def chain(self, steps: int) -> Run:
        """Prepare a chain."""

        def run() -> int:
            value = self._submit(source)
            for _ in range(steps - 1):
                value = self._submit(follow, value)
            return int(value.result())

        return run

    def layered(self, dag: Dag) -> Run:
        """Prepare naps."""

        def run() -> int:
            made: list[Any] = []
            for length, before in dag:
                made.append(self._submit(nap, length, [made[each] for each in before]))
            return int(made[-1].result())

        return run

    def stop(self) -> None:
        """End the workers."""
        self._client.close()
        self._cluster.close()
