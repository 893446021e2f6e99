from dagster import DagsterInvalidConfigError, Failure, job, op


@op(config_schema={"n": int})
def needs(context):
    return context.op_config["n"]


@op
def bad():
    raise ZeroDivisionError("divided")


@op
def failed():
    raise Failure("said so")


@job
def needs_job():
    needs()


@job
def bad_job():
    bad()


@job
def failed_job():
    failed()


def observe():
    seen = []
    for each in (needs_job, bad_job, failed_job):
        try:
            each.execute_in_process()
        except DagsterInvalidConfigError:
            seen.append("config")
        except (ZeroDivisionError, Failure) as error:
            seen.append(type(error).__name__)
    try:
        needs_job.execute_in_process(run_config={"ops": {"needs": {"config": {"n": "a", "m": 1}}}})
    except DagsterInvalidConfigError as error:
        seen.append(len(error.errors) > 0)
    return seen
