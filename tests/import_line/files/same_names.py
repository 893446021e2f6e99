from dagster import job, op


@op
def config():
    return "an op named config"


@op
def context(x):
    return x


@op(name="inputs")
def _inputs():
    return 1


@op
def outputs(result):
    return result


@job
def inputs():
    context(config())
    outputs(_inputs())


@job(name="resources")
def _resources():
    outputs(_inputs())
