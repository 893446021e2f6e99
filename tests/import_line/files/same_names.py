from dagster import job, op


@op
def resources():
    return "an op named resources"


@op
def loggers(ops):
    return ops


@op(name="inputs")
def _inputs():
    return 1


@op
def outputs(result):
    return result


@job
def inputs():
    loggers(resources())
    outputs(_inputs())


@job(name="execution")
def _execution():
    outputs(_inputs())
