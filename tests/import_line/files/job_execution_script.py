from dagster import DagsterInstance, execute_job, job, op, reconstructable


@op
def compute():
    return 21


@op
def double(n):
    return n * 2


@job
def computing():
    double(compute())


def make_job():
    return computing


def observe():
    instance = DagsterInstance.ephemeral()
    result = computing.execute_in_process(instance=instance, tags={"kind": "test"})
    runs = instance.get_runs()
    run = instance.get_run_by_id(result.run_id)
    logs = instance.all_logs(result.run_id)
    return [
        result.output_for_node("double"),
        len(runs),
        run.job_name,
        run.status.value,
        run.tags.get("kind"),
        run.is_success,
        sum(entry.is_dagster_event and entry.dagster_event.is_step_success for entry in logs),
        instance.get_run_by_id("00000000-0000-0000-0000-000000000000"),
        callable(execute_job) and callable(reconstructable),
    ]
