from dagster import (
    DagsterType,
    In,
    Out,
    PythonObjectDagsterType,
    TypeCheck,
    check_dagster_type,
    dagster_type_loader,
    job,
    op,
    usable_as_dagster_type,
)


def is_even(_context, value):
    if not isinstance(value, int):
        return TypeCheck(success=False, description="no int", metadata={"type": str(type(value))})
    return value % 2 == 0


@dagster_type_loader(config_schema={"half": int})
def load_even(_context, config):
    return config["half"] * 2


Even = DagsterType(name="Even", type_check_fn=is_even, description="twos", loader=load_even)


class Frame:
    def __init__(self, rows):
        self.rows = rows


FrameType = PythonObjectDagsterType(Frame, name="Frame")


@usable_as_dagster_type(name="PointType", description="a point")
class Point:
    def __init__(self, x):
        self.x = x


@op(out=Out(Even))
def make_even():
    return 4


@op(out=Out(Even))
def make_odd():
    return 3


@op(ins={"n": In(Even)}, out=Out(FrameType))
def frame(n):
    return Frame(n)


@op
def point(frame: Frame) -> Point:
    return Point(frame.rows)


@op
def read(point: Point):
    return point.x


@job
def even_job():
    read(point(frame(make_even())))


@job
def odd_job():
    frame(make_odd())


@job
def loaded_job():
    read(point(frame()))


RUNS = {
    "odd": {"job": "odd_job"},
    "loaded": {
        "job": "loaded_job",
        "run_config": {"ops": {"frame": {"inputs": {"n": {"half": 5}}}}},
    },
}


def observe():
    return [
        check_dagster_type(Even, 2).success,
        check_dagster_type(Even, 3).success,
        check_dagster_type(Even, "a").description,
        check_dagster_type(FrameType, Frame(1)).success,
        check_dagster_type(FrameType, 1).success,
        Even.display_name,
    ]
