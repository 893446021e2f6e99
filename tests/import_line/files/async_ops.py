import asyncio

from dagster import DynamicOut, DynamicOutput, Output, job, op


@op
async def fetch():
    await asyncio.sleep(0)
    return 2


@op
async def produce(n: int):
    await asyncio.sleep(0)
    yield Output(n + 1)


@op(out=DynamicOut(int))
async def several():
    for i in range(2):
        await asyncio.sleep(0)
        yield DynamicOutput(i, mapping_key=str(i))


@op
async def fails():
    raise OSError("down")


@op
def total(values):
    return sum(values)


@job
def async_job():
    produce(fetch())
    total(several().collect())


@job
def failing_async_job():
    fails()
