from dagster import In, Nothing, Out, job, op

ORDER = []


@op(out=Out(Nothing))
def create_table():
    ORDER.append("create")


@op(ins={"ready": In(Nothing)}, out=Out(Nothing))
def insert():
    ORDER.append("insert")


@op(ins={"first": In(Nothing), "second": In(Nothing)})
def finish(context):
    ORDER.append("finish")
    return len(ORDER)


@job
def ordered():
    table = create_table()
    finish(first=insert(table), second=insert.alias("insert_again")(ready=table))


def observe():
    return ORDER
