"""What an op asks of Ray: processors, memory, custom resources, labels, an environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import pydantic

from rayexec.errors import DefinitionError

__all__ = ["RayOptions", "ray_options"]

Amount = Annotated[float, pydantic.Field(ge=0, allow_inf_nan=False)]

# Resources that Ray counts under options of their own; as custom resources Ray refuses them.
_BUILT_IN = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "memory", "object_store_memory": None}


class RayOptions(pydantic.BaseModel):
    """The resource request of an op's Ray task; what is not given is chosen by the run.

    ``num_cpus`` and ``num_gpus`` are counts and may be fractions; ``memory`` is bytes;
    ``resources`` are custom resources by name; ``label_selector`` picks nodes by label;
    ``runtime_env`` is an environment for this op alone, which costs Ray a worker process of its
    own. Raises DefinitionError with all that is wrong.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    num_cpus: Amount | None = None
    num_gpus: Amount | None = None
    memory: Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)] | None = None
    resources: dict[str, Amount] = pydantic.Field(default_factory=dict)
    label_selector: dict[str, str] = pydantic.Field(default_factory=dict)
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
    """Return the options that a user gave as RayOptions or as a mapping; raises DefinitionError for
    anything else.
    """
    if given is None:
        return RayOptions()
    if isinstance(given, RayOptions):
        return given
    if isinstance(given, Mapping):
        return RayOptions(**given)
    raise DefinitionError(
        f"ray_options must be RayOptions or a mapping of them, got {type(given).__name__}."
    )
