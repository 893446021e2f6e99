from dagster import In, Int, Out, job, op


@op(out=Out(Int))
def one():
    return 1


@op(ins={"left": In(Int), "right": In(dagster_type=Int)}, out=Out(dagster_type=Int))
def add(left, right):
    return left + right


@op(ins={"x": In(int, default_value=3)})
def square(x):
    return x * x


@job
def math_job():
    square(add(one(), one()))


@job
def default_job():
    square()
