"""Values on their way between processes: pickled once by the producer, opaque until their use.

Arrays and Arrow tables travel as buffers of their own (pickle protocol 5). Ray's object store maps
these into the memory of a consumer, so that such values are read-only there.
"""

from __future__ import annotations

import pickle
from typing import Any

from rayexec.errors import OutputError
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

#: Types of values that nobody can change, so that a step may hand the object itself to the next.
#: Arrow data is not among them: its buffers may be the memory of an array.
#: Plain pickle is several times faster than cloudpickle, and safe for these: they hold no code and
#: no classes.
IMMUTABLE = frozenset({type(None), bool, int, float, str, bytes})


# Marks in the pickle of a class that travels by value, and of anything in a script.
_PASSING = (b"_make_skeleton_class", b"_make_skeleton_enum", b"_make_function", b"\x8c\x08__main__")


class Packed:
    """A large value: its pickle, and the buffers of the pickle."""

    __slots__ = ("buffers", "main")

    def __init__(self, main: Any, buffers: list[Any]) -> None:
        self.main = main
        self.buffers = buffers

    def __reduce__(self) -> tuple[Any, ...]:
        return Packed, (
            pickle.PickleBuffer(self.main),
            [pickle.PickleBuffer(buffer) for buffer in self.buffers],
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the pickle and the buffers."""
        return memoryview(self.main).nbytes + sum(
            memoryview(buffer).nbytes for buffer in self.buffers
        )

    def load(self) -> Any:
        """Return the value."""
        return load_stored(self.main, self.buffers)


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
    """Pickle a value: bytes for a small one, else Packed; raises OutputError about ``subject``."""
    if type(value) in IMMUTABLE:
        plain = pickle.dumps(value, protocol=5)
        return plain if len(plain) <= INLINE_LIMIT_BYTES else Packed(plain, [])
    from ray import cloudpickle

    buffers: list[pickle.PickleBuffer] = []
    try:
        main = cloudpickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        views = [buffer.raw() for buffer in buffers]
        if len(main) + sum(view.nbytes for view in views) > INLINE_LIMIT_BYTES:
            return Packed(main, views)
        whole: bytes = cloudpickle.dumps(value, protocol=5) if buffers else main
        return whole
    except Exception as error:  # a value's own __reduce__ may raise anything
        raise OutputError(
            f"{subject} cannot be pickled, so it cannot travel to another process: "
            f"{type(error).__name__}: {error}. "
            "Return data instead of an open handle, or keep the handle in a resource."
        ) from error


def is_lasting(packed: bytes | Packed) -> bool:
    """Tell whether another run can load a value; not with a class of a script or a function."""
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
