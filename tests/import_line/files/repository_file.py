from dagster import ScheduleDefinition, graph, job, op, repository, schedule


@op
def work():
    return "worked"


@job
def daily():
    work()


@graph
def weekly():
    work()


weekly_job = weekly.to_job("weekly_job")
daily_schedule = ScheduleDefinition(job=daily, cron_schedule="0 0 * * *")


@schedule(cron_schedule="0 1 * * *", job=weekly_job)
def weekly_schedule():
    return {}


@repository
def my_repository():
    return [daily, weekly_job, daily_schedule, weekly_schedule]


def observe():
    return [
        my_repository.name,
        my_repository.has_job("daily"),
        my_repository.get_job("weekly_job").execute_in_process().output_for_node("work"),
    ]
