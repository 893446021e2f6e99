"""A model of 40 MB that each worker process loads once a run.

Run it (it needs NumPy) by

    rayexec job execute -f docs/examples/warm_model.py

With ``resource_scope = "batch"`` instead, each batch loads the model.
"""

import os
import uuid
from typing import Any

import numpy as np
import pydantic

from rayexec import ConfigurableResource, job, op


class Model(ConfigurableResource):
    """Weights that take a moment to load; each load has its own ``load_id``."""

    resource_scope = "worker"

    features: int = 2_500
    classes: int = 2_000

    _weights: Any = pydantic.PrivateAttr(default=None)
    _load_id: str = pydantic.PrivateAttr(default="")

    def setup_for_execution(self, context: Any) -> None:
        self._load_id = uuid.uuid4().hex
        self._weights = np.random.default_rng(0).normal(size=(self.features, self.classes))

    def teardown_after_execution(self, context: Any) -> None:
        self._weights = None  # a worker process outlives the run, and need not hold it

    @property
    def load_id(self) -> str:
        return self._load_id

    def classify(self, batch: Any) -> Any:
        """Return the most likely class of each row."""
        return np.argmax(batch @ self._weights, axis=1)


@op
def score(model: Model, batch: int) -> dict[str, Any]:
    """Score a batch; return the classes with the process and the load of the model."""
    rows = np.random.default_rng(batch).normal(size=(64, model.features))
    return {"classes": model.classify(rows), "process": os.getpid(), "load": model.load_id}


@op
def report(scores: list[dict[str, Any]]) -> dict[str, int]:
    """Count batches, processes and loads of the model."""
    counted = {
        "batches": len(scores),
        "processes": len({each["process"] for each in scores}),
        "loads": len({each["load"] for each in scores}),
    }
    print("{batches} batches, {processes} processes, {loads} loads of the model".format(**counted))
    return counted


BATCHES = range(24)


@job(
    resource_defs={"model": Model()},
    config={"ops": {f"score_{index}": {"inputs": {"batch": index}} for index in BATCHES}},
)
def warm_model() -> None:
    report([score.alias(f"score_{index}")() for index in BATCHES])


if __name__ == "__main__":
    warm_model.execute(raise_on_error=True)
