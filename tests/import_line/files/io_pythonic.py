from dagster import ConfigurableIOManager, InputContext, OutputContext, job, op

STORE = {}


class MemoryIO(ConfigurableIOManager):
    root: str = "base"

    def handle_output(self, context: OutputContext, obj):
        key = "/".join([self.root, *context.get_identifier()[1:]])
        STORE[key] = obj

    def load_input(self, context: InputContext):
        return STORE["/".join([self.root, *context.upstream_output.get_identifier()[1:]])]


@op
def numbers():
    return [1, 2, 3]


@op
def mean(numbers):
    return sum(numbers) / len(numbers)


@job(resource_defs={"io_manager": MemoryIO(root="r")})
def io_job():
    mean(numbers())


@job(resource_defs={"io_manager": MemoryIO.configure_at_launch()})
def late_io_job():
    mean(numbers())


RUNS = {
    "bound": {"job": "io_job"},
    "late": {
        "job": "late_io_job",
        "run_config": {"resources": {"io_manager": {"config": {"root": "late"}}}},
    },
}


def observe():
    return STORE
