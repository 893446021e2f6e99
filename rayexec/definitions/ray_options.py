"""Requests of an op to Ray: processors, memory, custom resources, labels, an environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import pydantic

from rayexec.errors import DefinitionError

__all__ = ["RayOptions", "ray_options"]

Amount = Annotated[float, pydantic.Field(ge=0, allow_inf_nan=False)]

# Resources with options of their own; Ray refuses them as custom resources.
_BUILT_IN = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "memory", "object_store_memory": None}


class RayOptions(pydantic.BaseModel):
    """The resource request of an op's Ray task, with defaults from the run.

    Raises DefinitionError with all mistakes.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    #: Count of CPUs; may be a fraction.
    num_cpus: Amount | None = None
    #: Count of GPUs; may be a fraction below 1.
    num_gpus: Amount | None = None
    #: Bytes.
    memory: Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)] | None = None
    #: Custom resources by name.
    resources: dict[str, Amount] = pydantic.Field(default_factory=dict)
    #: Labels of the nodes to run on.
    label_selector: dict[str, str] = pydantic.Field(default_factory=dict)
    #: Environment for this op alone; it costs a worker process of its own.
    runtime_env: dict[str, Any] | None = None

    def __init__(self, **options: Any) -> None:
        try:
            super().__init__(**options)
        except pydantic.ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()
            )
            raise DefinitionError(f"ray_options: {problems}.") from None

    @pydantic.field_validator("num_gpus")
    @classmethod
    def _whole_above_one(cls, value: float | None) -> float | None:
        # Ray's own rule: a fraction of a GPU is below one, several GPUs are whole.
        if value is not None and value > 1 and value != int(value):
            raise ValueError("more than one GPU must be a whole number")
        return value

    @pydantic.field_validator("resources")
    @classmethod
    def _custom_only(cls, value: dict[str, float]) -> dict[str, float]:
        for name, amount in value.items():
            if name in _BUILT_IN:
                option = _BUILT_IN[name]
                raise ValueError(
                    f"{name!r} is not a custom resource" + (f", use {option}" if option else "")
                )
            if amount > 1 and amount != int(amount):
                raise ValueError(f"{name!r}: more than one must be a whole number")
        return value


def ray_options(given: RayOptions | Mapping[str, Any] | None) -> RayOptions:
    """Return RayOptions or a mapping as RayOptions; raises DefinitionError for other objects."""
    if given is None:
        return RayOptions()
    if isinstance(given, RayOptions):
        return given
    if isinstance(given, Mapping):
        return RayOptions(**given)
    raise DefinitionError(
        f"ray_options must be RayOptions or a mapping of them, got {type(given).__name__}."
    )
