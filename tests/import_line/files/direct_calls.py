from dagster import (
    Config,
    ConfigurableResource,
    DagsterInvalidInvocationError,
    DagsterTypeCheckDidNotPass,
    Out,
    Output,
    build_op_context,
    op,
)


class Settings(Config):
    factor: int = 2


class Store(ConfigurableResource):
    name: str = "real"

    def read(self):
        return self.name


@op
def add(a: int, b: int = 1) -> int:
    return a + b


@op
def scaled(context, config: Settings, a: int):
    context.log.info("scaling")
    return a * config.factor


@op
def read(store: Store):
    return store.read()


@op(out={"x": Out(), "y": Out()})
def two():
    yield Output(1, "x")
    yield Output(2, "y", metadata={"a": 1})


@op
def wrong() -> int:
    return "text"


@op(config_schema={"n": int})
def legacy(context, values):
    return [context.op_config["n"], *values]


@op
async def later(a):
    return a


def error(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except DagsterInvalidInvocationError:
        return "invalid invocation"
    except DagsterTypeCheckDidNotPass:
        return "type check"


def observe():
    import asyncio

    return {
        "add": add(1, 2),
        "default": add(1),
        "keyword": add(a=1, b=5),
        "config": scaled(build_op_context(), Settings(factor=5), 3),
        "config keyword": scaled(build_op_context(), config=Settings(), a=3),
        "op_config": scaled(build_op_context(op_config={"factor": 7}), a=1),
        "resource": read(Store(name="given")),
        "resource keyword": read(store=Store()),
        "mock": read(store=type("Mock", (), {"read": lambda self: "mock"})()),
        "two": [(o.output_name, o.value) for o in two()],
        "wrong": error(wrong),
        "legacy": legacy(build_op_context(op_config={"n": 1}), [2]),
        "no context": error(legacy, [2]),
        "too many": error(add, 1, 2, 3),
        "none": error(add),
        "async": asyncio.run(later(4)),
    }
