"""A model that each worker process loads once: 40 MB of weights, kept open between the steps of a
run.

Run it (it needs NumPy) by

    rayexec job execute -f docs/examples/warm_model.py

and with ``resource_scope = "batch"`` instead, to see how often the model is loaded then.
"""

import os
import uuid
from typing import Any

import numpy as np
import pydantic

from rayexec import ConfigurableResource, job, op


class Model(ConfigurableResource):
    """Weights that take a moment to load; ``load_id`` is another one each time that they are."""

    resource_scope = "worker"

    features: int = 2_500
    classes: int = 2_000

    _weights: Any = pydantic.PrivateAttr(default=None)
    _load_id: str = pydantic.PrivateAttr(default="")

    def setup_for_execution(self, context: Any) -> None:
        self._load_id = uuid.uuid4().hex
        self._weights = np.random.default_rng(0).normal(size=(self.features, self.classes))

    def teardown_after_execution(self, context: Any) -> None:
        self._weights = None  # a worker process goes on after the run, and need not hold it

    @property
    def load_id(self) -> str:
        return self._load_id

    def classify(self, batch: Any) -> Any:
        """Return the most likely class of each row."""
        return np.argmax(batch @ self._weights, axis=1)


@op
def score(model: Model, batch: int) -> dict[str, Any]:
    """Score a batch; say which process did, by which load of the model."""
    rows = np.random.default_rng(batch).normal(size=(64, model.features))
    return {"classes": model.classify(rows), "process": os.getpid(), "load": model.load_id}


@op
def report(scores: list[dict[str, Any]]) -> dict[str, int]:
    """Count the batches, the processes that scored them, and how often the model was loaded for
    that.
    """
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
    config={"ops": {f"score_{number}": {"inputs": {"batch": number}} for number in BATCHES}},
)
def warm_model() -> None:
    report([score.alias(f"score_{number}")() for number in BATCHES])


if __name__ == "__main__":
    warm_model.execute(raise_on_error=True)
