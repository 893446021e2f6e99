from dagster import job, op


@op(tags={"kind": "source", "priority": "1"})
def source(context):
    return [context.op.name, context.op_def.name, sorted(context.op.tags.items())]


@job(tags={"owner": "me"})
def aliased():
    source()
    source()
    source.alias("named")()
    source.tag({"extra": "x"})()


def observe():
    return [sorted(aliased.tags.items()), source.name, sorted(source.tags.items())]
