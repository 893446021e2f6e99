from dagster import Config, RunConfig, job, op


class Greeting(Config):
    text: str
    times: int = 1


@op
def greet(config: Greeting):
    return config.text * config.times


@job(config=RunConfig(ops={"greet": Greeting(text="a", times=2)}))
def with_run_config():
    greet()


@job(config={"ops": {"greet": {"config": {"text": "b"}}}})
def with_dict():
    greet()


RUNS = {
    "RunConfig": {"job": "with_run_config"},
    "dict": {"job": "with_dict"},
    "replaced": {
        "job": "with_dict",
        "run_config": {"ops": {"greet": {"config": {"text": "c", "times": 3}}}},
    },
}
