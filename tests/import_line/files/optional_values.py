from typing import Any

from dagster import In, Int, Optional, job, op


@op
def nothing() -> None:
    return None


@op
def maybe(flag: bool = False) -> int | None:
    return 1 if flag else None


@op(ins={"n": In(Optional[Int])})
def takes(n):
    return n is None


@op
def anything(x: Any = "default") -> Any:
    return x


@op
def number() -> float:
    return 1.5


@op
def strict(x: int) -> int:
    return x


@op
def wrong_none() -> int:
    return None


@job
def options():
    takes(maybe())
    nothing()
    anything()


@job
def float_for_int():
    strict(number())


@job
def none_for_int():
    wrong_none()


@op
def truth() -> bool:
    return True


@job
def bool_for_int():
    strict(truth())
