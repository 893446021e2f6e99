from dagster import In, JobDefinition, Nothing, OpDefinition, Out, graph, job, op


def make_table_op(table: str) -> OpDefinition:
    @op(name=f"load_{table}", description=f"Loads {table}.", tags={"table": table})
    def _load(context):
        return f"{context.op.name}:{context.op.tags['table']}"

    return _load


def make_job(name: str, tables) -> JobDefinition:
    ops = [make_table_op(table) for table in tables]

    @op(ins={f"in_{i}": In() for i in range(len(ops))}, name=f"collect_{name}")
    def collect(**loaded):
        return sorted(loaded.values())

    @job(name=name, description="made")
    def _made():
        collect(**{f"in_{i}": load() for i, load in enumerate(ops)})

    return _made


sales_job = make_job("sales", ["orders", "items"])
people_job = make_job("people", ["users"])


@op(ins={"start": In(Nothing)}, out=Out(Nothing))
def step():
    pass


@graph
def chain():
    done = step()
    for i in range(3):
        done = step.alias(f"step_{i}")(done)


chain_job = chain.to_job()


def observe():
    return [sales_job.description, sorted(node.name for node in sales_job.nodes)]
