from dagster import (
    MetadataValue,
    Out,
    Output,
    TableColumn,
    TableRecord,
    TableSchema,
    job,
    op,
)


@op(out=Out(metadata={"static": "yes"}))
def many():
    yield Output(
        1,
        metadata={
            "text": "t",
            "int": 1,
            "float": 1.5,
            "bool": True,
            "none": None,
            "dict": {"a": 1},
            "list": [1, 2],
            "url": MetadataValue.url("http://x"),
            "path": MetadataValue.path("/a"),
            "md": MetadataValue.md("# x"),
            "json": MetadataValue.json({"b": [1]}),
            "table": MetadataValue.table(
                records=[TableRecord({"a": 1})],
                schema=TableSchema(columns=[TableColumn("a", "int")]),
            ),
            "time": MetadataValue.timestamp(1700000000.0),
        },
    )


@job(metadata={"owner": "me"})
def kinds():
    many()


def observe():
    result = kinds.execute_in_process()
    [event] = [e for e in result.all_events if e.event_type_value == "STEP_OUTPUT"]
    metadata = event.step_output_data.metadata
    return [
        {key: type(value).__name__ for key, value in metadata.items()},
        MetadataValue.text("a").text,
        MetadataValue.url("u").url,
        MetadataValue.int(3).value,
        MetadataValue.json({"a": 1}).data,
        kinds.metadata["owner"].value,
    ]
