from enum import Enum

from dagster import Config, PermissiveConfig, job, op
from pydantic import Field, field_validator


class Mode(Enum):
    FAST = "fast"
    SAFE = "safe"


class Table(Config):
    name: str
    columns: list[str] = []


class Everything(Config):
    mode: Mode = Mode.SAFE
    tables: list[Table]
    by_name: dict[str, Table] = {}
    maybe: int | None = None
    ratio: float = Field(default=0.5, gt=0, le=1)
    note: str | None

    @field_validator("tables")
    @classmethod
    def some_tables(cls, value):
        if not value:
            raise ValueError("no tables")
        return value


class Loose(PermissiveConfig):
    a: int = 1


@op
def show(config: Everything):
    return [
        config.mode.name,
        [t.name for t in config.tables],
        {k: t.columns for k, t in config.by_name.items()},
        config.maybe,
        config.ratio,
        config.note,
    ]


@op
def loose(config: Loose):
    return [config.a, config.b]


@job
def show_job():
    show()


@job
def loose_job():
    loose()


def _run(**config):
    return {"job": "show_job", "run_config": {"ops": {"show": {"config": config}}}}


RUNS = {
    "least": _run(tables=[{"name": "a"}]),
    "all": _run(
        mode="FAST",
        tables=[{"name": "a", "columns": ["x"]}],
        by_name={"k": {"name": "b"}},
        maybe=3,
        ratio=1.0,
        note="n",
    ),
    "value of an enum": _run(mode="fast", tables=[{"name": "a"}]),
    "out of bounds": _run(tables=[{"name": "a"}], ratio=2.0),
    "no tables": _run(tables=[]),
    "null": _run(tables=[{"name": "a"}], maybe=None),
    "an int for a float": _run(tables=[{"name": "a"}], ratio=1),
    "loose": {"job": "loose_job", "run_config": {"ops": {"loose": {"config": {"b": [1]}}}}},
}
