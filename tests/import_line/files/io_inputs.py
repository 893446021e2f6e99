from dagster import In, InputManager, Out, input_manager, job, op


@input_manager(config_schema={"start": int}, input_config_schema={"count": int})
def counter(context):
    return list(range(context.resource_config["start"], context.config["count"]))


class Upper(InputManager):
    def load_input(self, context):
        return "LOADED"


@input_manager
def upper():
    return Upper()


@op(ins={"numbers": In(input_manager_key="counter")})
def total(numbers):
    return sum(numbers)


@op(ins={"text": In(input_manager_key="upper")}, out=Out(str))
def show(text):
    return text


@job(resource_defs={"counter": counter, "upper": upper})
def loaded():
    total()
    show()


RUNS = {
    "configured": {
        "job": "loaded",
        "run_config": {
            "resources": {"counter": {"config": {"start": 1}}},
            "ops": {"total": {"inputs": {"numbers": {"count": 5}}}},
        },
    },
    "unconfigured": {"job": "loaded"},
}
