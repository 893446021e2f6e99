from dagster import In, IOManager, Out, io_manager, job, op

STORE = {}


class DictIOManager(IOManager):
    def __init__(self, prefix):
        self.prefix = prefix

    def _key(self, context):
        return f"{self.prefix}/{context.step_key}/{context.name}"

    def handle_output(self, context, obj):
        STORE[self._key(context)] = obj
        context.add_output_metadata({"stored": self._key(context)})

    def load_input(self, context):
        return STORE[self._key(context.upstream_output)]


@io_manager(config_schema={"prefix": str})
def dict_io(init_context):
    return DictIOManager(init_context.resource_config["prefix"])


@op(out=Out(io_manager_key="dict_io"))
def make():
    return {"a": 1}


@op(ins={"value": In()}, out={"left": Out(io_manager_key="dict_io"), "right": Out()})
def split(value):
    return value["a"], value["a"] + 1


@op
def join(left, right):
    return [left, right]


@job(resource_defs={"dict_io": dict_io.configured({"prefix": "mem"})})
def stored():
    join(*split(make()))


def observe():
    return STORE
