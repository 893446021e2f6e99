"""Values on their way between processes: serialised once, where they are made, and opaque until
they are used.

Arrays and Arrow tables travel as buffers of their own (pickle protocol 5), which Ray's object store
maps into the processes that read them; such values are read-only there.
"""

from __future__ import annotations

import pickle
from typing import Any

from rayexec.errors import OutputError
from rayexec.events import causes_of
from rayexec.former_names import load_stored
from rayexec.run.previous_run import StoredValue

__all__ = ["INLINE_LIMIT", "Packed", "Restored", "is_lasting", "pack", "pack_error", "unpack"]

# Values up to this many bytes travel inside the batch's answer; Ray keeps answers of up to 100 KiB
# in the driver.
INLINE_LIMIT = 64 * 1024

_ERROR_LIMIT = 1024 * 1024  # bytes; an exception larger than that travels in words only

# Plain pickle is several times faster than cloudpickle, and safe for these: they hold no code and
# no classes.
_PLAIN = frozenset({type(None), bool, int, float, str, bytes})


# What stands in a pickle of a class that travels by value, and of what is in a script.
_PASSING = (b"_make_skeleton_class", b"_make_skeleton_enum", b"_make_function", b"\x8c\x08__main__")


class Packed:
    """A large value, serialised: the pickle, and the buffers that it refers to."""

    __slots__ = ("buffers", "main")

    def __init__(self, main: Any, buffers: list[Any]) -> None:
        self.main = main
        self.buffers = buffers

    def __reduce__(self) -> tuple[Any, ...]:
        return Packed, (
            pickle.PickleBuffer(self.main),
            [pickle.PickleBuffer(each) for each in self.buffers],
        )

    @property
    def nbytes(self) -> int:
        """The size of it all."""
        return memoryview(self.main).nbytes + sum(memoryview(each).nbytes for each in self.buffers)

    def load(self) -> Any:
        """Return the value."""
        return load_stored(self.main, self.buffers)


class Restored:
    """Stands for a stored value: what is pickled is where it is, and unpickling gives the value
    itself.
    """

    __slots__ = ("stored",)

    def __init__(self, stored: StoredValue) -> None:
        self.stored = stored

    def __reduce__(self) -> tuple[Any, ...]:
        return _load_stored, (self.stored,)


def _load_stored(stored: StoredValue) -> Any:
    return stored.load()


def pack(value: Any, what: str) -> bytes | Packed:
    """Serialise ``value``: bytes where it is small, else Packed. Raises OutputError, saying
    ``what``, if it cannot.
    """
    if type(value) in _PLAIN:
        plain = pickle.dumps(value, protocol=5)
        return plain if len(plain) <= INLINE_LIMIT else Packed(plain, [])
    from ray import cloudpickle

    buffers: list[pickle.PickleBuffer] = []
    try:
        main = cloudpickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        views = [buffer.raw() for buffer in buffers]
        if len(main) + sum(view.nbytes for view in views) > INLINE_LIMIT:
            return Packed(main, views)
        return cloudpickle.dumps(value, protocol=5) if buffers else main  # type: ignore[no-any-return]  # untyped
    except Exception as error:  # a value's own __reduce__ may raise anything
        raise OutputError(
            f"{what} cannot be pickled, so it cannot travel to another process: "
            f"{type(error).__name__}: {error}. "
            "Return data instead of an open handle, or keep the handle in a resource."
        ) from error


def is_lasting(packed: bytes | Packed) -> bool:
    """Whether another run would load a value as what it is: a class of a script, or of a
    function's, is made anew.
    """
    main = bytes(packed.main if isinstance(packed, Packed) else packed)
    return not any(mark in main for mark in _PASSING)


def unpack(packed: bytes | Packed) -> Any:
    """Return the value that ``pack`` serialised."""
    return packed.load() if isinstance(packed, Packed) else load_stored(packed)


def pack_error(error: BaseException) -> bytes | None:
    """Return the exception and its causes pickled as a list, or None where it would not come out as
    what it is.
    """
    from ray import cloudpickle

    for chain in (causes_of(error), [error]):
        try:
            pickled: bytes = cloudpickle.dumps(chain)
            if len(pickled) <= _ERROR_LIMIT and list(map(type, pickle.loads(pickled))) == list(
                map(type, chain)
            ):
                return pickled
        except BaseException:  # its __reduce__ or __init__ may raise anything, even SystemExit
            continue
    return None
