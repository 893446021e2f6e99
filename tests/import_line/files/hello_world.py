from dagster import job, op


@op
def get_name():
    return "dagster"


@op
def hello(name):
    return f"Hello, {name}!"


@job
def hello_job():
    hello(get_name())
