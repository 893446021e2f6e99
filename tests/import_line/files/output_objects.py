from dagster import MetadataValue, Out, Output, job, op


@op
def with_metadata() -> Output[int]:
    return Output(
        5,
        metadata={"rows": 5, "link": MetadataValue.url("http://x"), "md": MetadataValue.md("# t")},
    )


@op(out={"a": Out(int), "b": Out(str)})
def as_tuple() -> tuple[int, str]:
    return 1, "x"


@op(out={"a": Out(int), "b": Out(str)})
def as_outputs() -> tuple[Output[int], Output[str]]:
    return Output(1, output_name="a"), Output("x", output_name="b")


@op(out={"a": Out(), "b": Out()})
def too_few():
    return (1,)


@op
def added(context):
    context.add_output_metadata({"late": 1.5})
    return


@job
def outputs_job():
    with_metadata()
    as_tuple()
    as_outputs()
    added()


@job
def too_few_job():
    too_few()


def observe():
    result = outputs_job.execute_in_process()
    seen = {}
    for event in result.all_events:
        if event.event_type_value == "STEP_OUTPUT":
            metadata = event.step_output_data.metadata
            seen[f"{event.step_key}.{event.step_output_data.output_name}"] = {
                key: [type(value).__name__, value.value] for key, value in metadata.items()
            }
    return [seen, Output(5) == Output(5), Output(5) == Output(6), with_metadata.__name__]
