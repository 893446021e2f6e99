"""Code of a run on its way to the workers: small code in each batch, large code by reference.

A function that Ray exports stays in Ray, and in each worker, for as long as the driver lives. So
the exported functions hold no code of a job. Large code is an object in Ray's store; it goes with
the last run that uses it.
"""

from __future__ import annotations

import dataclasses
import pickle
import weakref
from collections import deque
from typing import Any, TypeAlias

from rayexec.definitions.sources import Sources
from rayexec.engine.packed_values import Packed
from rayexec.engine.ray.driver.code_package import make_package
from rayexec.engine.ray.driver.code_parts import MIB, describe_large_parts
from rayexec.engine.ray.protocol.package import CodeArgument, Package
from rayexec.errors import DefinitionError
from rayexec.run.spec import RunSpec

__all__ = ["NO_CODE", "Session", "ShippedCode", "session", "ship_code"]

Session: TypeAlias = tuple[str, str]

# Beside a batch's round trip of a millisecond, so many bytes do not show.
_INLINE_BYTES = 16 * 1024
_LARGE_BYTES = 10 * MIB  # of which the user hears


class ShippedCode:
    """Code of a run as the argument of its batches; holds the objects behind the references."""

    def __init__(self, argument: CodeArgument, warnings: tuple[str, ...] = ()) -> None:
        self.argument = argument
        #: Sentences about large data in the code.
        self.warnings = warnings


NO_CODE = ShippedCode(("", b"", b""))

# By session and digest. Runs at the same time with the same code share its object.
_SHIPPED: weakref.WeakValueDictionary[tuple[Session, str], ShippedCode] = (
    weakref.WeakValueDictionary()
)
# Code of moderate size of the last runs: the next run with it stores nothing.
_RECENT: deque[ShippedCode] = deque(maxlen=8)
_RECENT_BYTES = 256 * 1024


def ship_code(spec: RunSpec, sources: Sources | None) -> ShippedCode:
    """Return the code of a run's plan, stored once while any run has it.

    Raises DefinitionError for code that cannot be pickled, or that Ray's object store cannot hold.
    """
    package = make_package(spec.plan, spec.resources, sources)
    key = (session(), package.digest)
    code = _SHIPPED.get(key)
    if code is None:
        contents = b"" if sources is None else sources.contents
        code = ShippedCode(_argument(spec, package, contents), _warnings(spec, package))
        _SHIPPED[key] = code
        if len(package.code) + len(contents) <= _RECENT_BYTES:
            _RECENT.append(code)
    return code


def _argument(spec: RunSpec, package: Package, contents: bytes) -> CodeArgument:
    import ray

    whole: bytes | list[Any] = b""
    if len(package.code) <= _INLINE_BYTES:
        whole = pickle.dumps(package, protocol=5)
    try:
        if not whole or len(whole) > _INLINE_BYTES:
            conditions = pickle.dumps(dataclasses.replace(package, code=b""), protocol=5)
            # In a list, since Ray resolves a bare reference for each task, needed or not.
            whole = [ray.put(Packed(conditions, [package.code]))]
        unpacked = contents if len(contents) <= _INLINE_BYTES else [ray.put(contents)]
    except (ray.exceptions.RayError, MemoryError, OSError) as error:
        size = len(package.code) / MIB
        parts = describe_large_parts(spec.plan, spec.resources)
        raise DefinitionError(
            f"the job's code is too large for Ray's object store, with {size:,.1f} MiB: {parts} "
            f"({type(error).__name__}: {error}). {_REMEDY}"
        ) from error
    return package.digest, whole, unpacked


_REMEDY = (
    "Code with data in it travels to each worker process. Give large data to the op as an input, "
    "or load it in a resource."
)


def _warnings(spec: RunSpec, package: Package) -> tuple[str, ...]:
    size = len(package.code)
    if size <= _LARGE_BYTES:
        return ()
    parts = describe_large_parts(spec.plan, spec.resources)
    return (f"The job's code has {size / MIB:,.1f} MiB: {parts}. {_REMEDY}",)


def session() -> Session:
    """Return the identity of this process's attachment to Ray; another Ray counts its jobs anew."""
    import ray

    context = ray.get_runtime_context()
    return context.get_node_id(), context.get_job_id()
