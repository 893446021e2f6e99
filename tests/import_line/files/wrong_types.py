from dagster import In, List, Out, String, job, op


@op(out=Out(String))
def number():
    return 5


@op(ins={"text": In(String)})
def shout(text):
    return text.upper()


@op
def texts() -> list:
    return ["a", 1]


@op(ins={"items": In(List[String])})
def join(items):
    return ",".join(items)


@job
def wrong_output():
    shout(number())


@job
def wrong_input():
    join(texts())
