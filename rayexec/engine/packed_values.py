"""Values on their way between processes: pickled once by the producer, opaque until their use.

Arrays and Arrow tables travel as buffers of their own (pickle protocol 5). Ray's object store maps
these into the memory of a consumer, so that such values are read-only there.

References of Ray (ObjectRef, ActorHandle) inside a value travel beside its pickle, where Ray sees
and counts them. Ray would keep the object of one in an opaque pickle for ever.
"""

from __future__ import annotations

import functools
import io
import pickle
import threading
from collections import ChainMap
from typing import Any

from rayexec.errors import OutputStorageError
from rayexec.events import causes_of
from rayexec.former_names import load_stored
from rayexec.run.previous_run import StoredValue

__all__ = [
    "IMMUTABLE",
    "INLINE_LIMIT_BYTES",
    "Packed",
    "Restored",
    "is_lasting",
    "pack",
    "pack_error",
    "unpack",
]

# Smaller values travel inside the batch's answer. Ray keeps answers of up to 100 KiB in the driver.
INLINE_LIMIT_BYTES = 64 * 1024

_ERROR_LIMIT_BYTES = 1024 * 1024  # of an exception; only the text of a larger one travels

#: Types of values that nobody can change. Arrow data is not among them: its buffers may be the
#: memory of an array.
#: Plain pickle is several times faster than cloudpickle, and safe for these: they hold no code and
#: no classes.
IMMUTABLE = frozenset({type(None), bool, int, float, str, bytes})


# Marks in the pickle of a class that travels by value, and of anything in a script.
_PASSING = (b"_make_skeleton_class", b"_make_skeleton_enum", b"_make_function", b"\x8c\x08__main__")


class _InHand(threading.local):
    """References of Ray in the value that this thread packs, or unpacks."""

    refs: list[Any] | None = None


_IN_HAND = _InHand()


def _reference(index: int) -> Any:
    """Return a reference of the value that is being unpacked."""
    refs = _IN_HAND.refs
    if refs is None:
        raise pickle.UnpicklingError("a reference of Ray is not among those of its value")
    return refs[index]


def _reduce_reference(ref: Any) -> tuple[Any, ...]:
    if _IN_HAND.refs is None:
        _IN_HAND.refs = []
    _IN_HAND.refs.append(ref)
    return _reference, (len(_IN_HAND.refs) - 1,)


@functools.cache
def _pickler() -> Any:
    """Return the class of Ray's pickler that puts references aside."""
    import ray.actor
    from ray.cloudpickle import CloudPickler

    aside: dict[type, Any] = dict.fromkeys(
        (ray.ObjectRef, ray.actor.ActorHandle), _reduce_reference
    )

    table = ChainMap(aside, CloudPickler.dispatch_table)
    return type("Pickler", (CloudPickler,), {"dispatch_table": table})


def _dumps(value: Any, buffer_callback: Any = None) -> tuple[bytes, tuple[Any, ...]]:
    """Return the pickle of a value, and the references of Ray in it."""
    outer = _IN_HAND.refs
    if outer is not None:  # the value of somebody's ``__reduce__``, inside of another one
        _IN_HAND.refs = None
    with io.BytesIO() as file:
        try:
            _pickler()(file, protocol=5, buffer_callback=buffer_callback).dump(value)
            refs = _IN_HAND.refs
            return file.getvalue(), () if refs is None else tuple(refs)
        finally:
            if _IN_HAND.refs is not outer:
                _IN_HAND.refs = outer


class Packed:
    """A large value: its pickle, the buffers of the pickle, and Ray's references in it."""

    __slots__ = ("buffers", "main", "refs")

    def __init__(self, main: Any, buffers: list[Any], refs: tuple[Any, ...] = ()) -> None:
        self.main = main
        self.buffers = buffers
        self.refs = refs

    def __reduce__(self) -> tuple[Any, ...]:
        return Packed, (
            pickle.PickleBuffer(self.main),
            [pickle.PickleBuffer(buffer) for buffer in self.buffers],
            self.refs,
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the pickle and the buffers."""
        return memoryview(self.main).nbytes + sum(
            memoryview(buffer).nbytes for buffer in self.buffers
        )

    def load(self) -> Any:
        """Return the value."""
        if not self.refs:
            return load_stored(self.main, self.buffers)
        outer, _IN_HAND.refs = _IN_HAND.refs, [*self.refs]
        try:
            return load_stored(self.main, self.buffers)
        finally:
            _IN_HAND.refs = outer


class Restored:
    """Stands for a stored value: its pickle is the value's address, and unpickles as the value."""

    __slots__ = ("stored",)

    def __init__(self, stored: StoredValue) -> None:
        self.stored = stored

    def __reduce__(self) -> tuple[Any, ...]:
        return _load_stored, (self.stored,)


def _load_stored(stored: StoredValue) -> Any:
    return stored.load()


def pack(value: Any, subject: str) -> bytes | Packed:
    """Pickle a value: bytes for a small one without references of Ray, else Packed.

    Raises OutputStorageError about ``subject``.
    """
    if type(value) in IMMUTABLE:
        plain = pickle.dumps(value, protocol=5)
        return plain if len(plain) <= INLINE_LIMIT_BYTES else Packed(plain, [])
    buffers: list[pickle.PickleBuffer] = []
    try:
        main, refs = _dumps(value, buffers.append)
        views = [buffer.raw() for buffer in buffers]
        # Ray counts references in its own objects alone, so that a small value with any is one.
        if refs or len(main) + sum(view.nbytes for view in views) > INLINE_LIMIT_BYTES:
            return Packed(main, views, refs)
        return _dumps(value)[0] if buffers else main
    except Exception as error:  # a value's own __reduce__ may raise anything
        raise OutputStorageError(
            f"{subject} cannot be pickled, so it cannot travel to another process: "
            f"{type(error).__name__}: {error}. "
            "Return data instead of an open handle, or keep the handle in a resource."
        ) from error


def is_lasting(packed: bytes | Packed) -> bool:
    """Tell whether another run can load a value.

    It cannot with a class of a script, a function, or a reference of Ray.
    """
    if isinstance(packed, Packed) and packed.refs:
        return False
    main = bytes(packed.main if isinstance(packed, Packed) else packed)
    return not any(mark in main for mark in _PASSING)


def unpack(packed: bytes | Packed) -> Any:
    """Return a value from the result of ``pack``."""
    return packed.load() if isinstance(packed, Packed) else load_stored(packed)


def pack_error(error: BaseException) -> bytes | None:
    """Return an exception and its causes, pickled as a list.

    Leaves the causes out if they do not survive, and returns None if the exception itself does not.
    """
    from ray import cloudpickle

    for chain in (causes_of(error), [error]):
        try:
            pickled: bytes = cloudpickle.dumps(chain)
            if len(pickled) <= _ERROR_LIMIT_BYTES and list(
                map(type, pickle.loads(pickled))
            ) == list(map(type, chain)):
                return pickled
        except BaseException:  # its __reduce__ or __init__ may raise anything, even SystemExit
            continue
    return None
