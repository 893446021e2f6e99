from dagster import Out, Output, graph, job, op


@op(out={"a": Out(is_required=False), "b": Out(is_required=False), "c": Out(is_required=True)})
def outputs(context):
    for name in sorted(context.selected_output_names):
        if name != "b":
            yield Output(name.upper(), name, metadata={"n": name})


@op
def use(x):
    return x


@op
def use_two(x, y):
    return [x, y]


@graph
def both(x, y):
    return use_two(use(x), use.alias("second")(y))


@job
def skipping():
    a, b, c = outputs()
    both(a, c)
    both.alias("skipped")(a, b)
    use(b)


@job
def fan_in():
    a, b, c = outputs()
    use([a, b, c])
