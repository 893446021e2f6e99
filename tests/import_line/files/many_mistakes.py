from dagster import (
    DagsterInvalidConfigError,
    DagsterInvalidDefinitionError,
    Field,
    GraphOut,
    In,
    Int,
    Out,
    graph,
    job,
    op,
    resource,
    success_hook,
)


def mistake(function):
    try:
        function()
    except (DagsterInvalidDefinitionError, DagsterInvalidConfigError):
        return "refused"
    except Exception:
        return "refused"
    return "accepted"


@op
def one():
    return 1


@op
def use(x):
    return x


def unsatisfied():
    @op(ins={"x": In(dagster_type=object)})
    def needs(x):
        return x

    @job
    def bad():
        needs()


def reserved():
    @op(name="context-x")
    def bad():
        pass


def twice():
    def make(n):
        @op(name="made")
        def made():
            return n

        return made

    @job
    def bad():
        make(1)()
        make(2)()


def undeclared():
    @graph(out={"a": GraphOut(), "b": GraphOut()})
    def bad():
        return {"a": one()}


def unused_input():
    @graph
    def bad(x):
        one()


def no_context():
    @success_hook
    def bad():
        pass


def missing_resource():
    @op(required_resource_keys={"a"})
    def needs(context):
        pass

    @job(resource_defs={"b": resource(lambda: 1)})
    def bad():
        needs()


def wrong_default():
    Field(int, default_value="x")


def wrong_schema():
    @op(config_schema={"a": 5})
    def bad(context):
        pass


def wrong_in():
    @op(ins={"y": In(Int)})
    def bad(x):
        pass


def wrong_annotation():
    @op(out={"a": Out(), "b": Out()})
    def bad() -> int:
        return 1


def observe():
    return {
        function.__name__: mistake(function)
        for function in (
            unsatisfied,
            reserved,
            twice,
            undeclared,
            unused_input,
            no_context,
            missing_resource,
            wrong_default,
            wrong_schema,
            wrong_in,
            wrong_annotation,
        )
    }
