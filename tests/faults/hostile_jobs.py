"""A job whose ops raise, return, print and log what is hard to keep; it is loaded by its path, as
users' files are.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from rayexec import OpExecutionContext, Output, job, op

LONE = "lone \ud800 surrogate"
LONG = 10_000_000  # characters


class OnlyHere(Exception):
    """Lives in this file, which nobody else imports by that name."""


class OtherArguments(Exception):
    """Pickles, and cannot be unpickled: its arguments are not those of its ``__init__``."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


class Holds(Exception):
    """Cannot be pickled."""

    def __init__(self) -> None:
        super().__init__("holds a lock")
        self.lock = threading.Lock()


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("no picture")


@op
def only_here() -> None:
    raise OnlyHere("from here")


@op
def other_arguments() -> None:
    raise OtherArguments(1, 2)


@op
def mute() -> None:
    raise Mute


@op
def holds() -> None:
    raise Holds


@op
def long_message() -> None:
    raise ValueError("<" + "m" * LONG + ">")


@op
def long_traceback() -> None:
    code = "\n" * 100 + "raise ValueError('at the end')  #" + "x" * LONG
    exec(compile(code, "<generated>", "exec"), {"__name__": "generated"})


@op
def deep() -> None:
    def down(left: int) -> None:
        if left:
            try:
                down(left - 1)
            except Exception as error:
                raise KeyError(left) from error
        raise OSError("the first of many")

    down(100)


@op
def unpicklable() -> Any:
    return threading.Lock()


@op
def surrogate_error() -> None:
    raise ValueError(LONE)


@op
def nul_error() -> None:
    raise ValueError("a\0b")


@op
def prints() -> int:
    os.write(1, b"not utf-8: \xff\xfe, a nul: \0, the end\n")
    sys.stderr.write(f"{LONE}\n")
    return 1


@op
def logs(context: OpExecutionContext) -> Any:
    context.log.info(LONE)
    context.log.warning("a\0b")
    context.log.info("\x1b[31mred")
    return Output(
        2, metadata={"lone": LONE, "nul": "a\0b", "picture": repr(object), "own": {"way": [LONE]}}
    )


@op
def takes(one: int, two: int) -> int:
    return one + two


@job
def hostile() -> None:
    for each in (
        only_here,
        other_arguments,
        mute,
        holds,
        long_message,
        long_traceback,
        deep,
        unpicklable,
        surrogate_error,
        nul_error,
    ):
        each()
    takes(prints(), logs())
