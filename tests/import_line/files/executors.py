from dagster import (
    in_process_executor,
    job,
    multi_or_in_process_executor,
    multiprocess_executor,
    op,
)


@op
def one():
    return 1


@job(executor_def=multiprocess_executor.configured({"max_concurrent": 2}))
def limited():
    one()


@job(
    config={
        "execution": {
            "config": {
                "multiprocess": {
                    "max_concurrent": 4,
                    "tag_concurrency_limits": [{"key": "db", "value": "x", "limit": 1}],
                }
            }
        }
    },
    executor_def=multi_or_in_process_executor,
)
def with_config():
    one()


@job(executor_def=in_process_executor)
def in_process():
    one()


@job(tags={"dagster/priority": "3", "dagster/max_retries": "1"})
def tagged():
    one()
