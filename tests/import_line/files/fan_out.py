from dagster import DynamicOut, DynamicOutput, job, op


@op(out=DynamicOut(str))
def list_files():
    for name in ["a.csv", "b.csv", "c.csv"]:
        yield DynamicOutput(name, mapping_key=name.replace(".", "_"))


@op
def size(name: str) -> int:
    return len(name)


@op
def total(sizes: list) -> int:
    return sum(sizes)


@job
def files_job():
    total(list_files().map(size).collect())


@op(out=DynamicOut(int))
def nothing_found():
    yield from ()


@job
def empty_job():
    total(nothing_found().map(lambda n: n).collect())


@op(out=DynamicOut())
def same_key():
    yield DynamicOutput(1, mapping_key="a")
    yield DynamicOutput(2, mapping_key="a")


@job
def same_key_job():
    same_key().map(size)
