"""Parts of a run that travel once for all its batches: the header, config, and given inputs."""

from __future__ import annotations

import os
from typing import Any

from rayexec.config.file_owners import trusted_owners
from rayexec.engine.packed_values import pack
from rayexec.engine.ray.driver.exported_tasks import pickle_for_workers
from rayexec.engine.ray.protocol.batch_request import Header
from rayexec.engine.ray.protocol.framing import Address
from rayexec.errors import EngineError, OutputStorageError, StoreError
from rayexec.plan.model import FromConfig
from rayexec.run.spec import RunSpec
from rayexec.steps.managed_ports import managed_ports

__all__ = ["given_inputs", "pickle_header", "pickle_step_config"]


def pickle_header(
    spec: RunSpec, report_address: Address | None, resource_address: Address | None
) -> bytes:
    """Return the header of a run; raises EngineError, or StoreError for durable outputs without a
    shared store.
    """
    durable = spec.durable_templates
    value_storage = spec.value_storage if durable else None
    if value_storage is not None and not value_storage.is_shared:
        raise StoreError(
            "outputs are to be durable, but workers cannot reach the run store: give it a "
            "directory."
        )
    managed = managed_ports(spec.plan, spec.resources)
    header = Header(
        run=spec.info,
        resource_config=spec.config.resources,
        port_config=spec.config.ports,
        preload_modules=spec.config.execution.preload_modules,
        directory=os.getcwd(),
        report_address=report_address,
        streams=spec.streaming_templates,
        resource_address=resource_address,
        managed=managed,
        value_storage=value_storage,
        durable=durable,
        run_cache=spec.run_cache,
        trusted_owners=None if managed is None else trusted_owners(),
    )
    return pickle_for_workers(header, "the run's config")


def pickle_step_config(spec: RunSpec) -> dict[str, bytes]:
    """Return the config of each step, pickled by step key; raises EngineError."""
    return {
        key: pickle_for_workers(value, f"the config of step {key!r}")
        for key, value in spec.config.ops.items()
    }


def given_inputs(spec: RunSpec) -> dict[FromConfig, Any]:
    """Return values of run config for inputs, as bytes or references; raises EngineError."""
    return {
        FromConfig(path, name): _packed(path, name, value)
        for (path, name), value in spec.config.inputs.items()
    }


def _packed(path: str, name: str, value: Any) -> Any:
    import ray

    owner = f"node {path!r}" if path else "the job"
    try:
        packed = pack(value, f"the value of input {name!r} of {owner}")
    except OutputStorageError as error:
        raise EngineError(str(error)) from error
    return packed if isinstance(packed, bytes) else ray.put(packed)
