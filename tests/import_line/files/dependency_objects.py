from dagster import (
    DependencyDefinition,
    GraphDefinition,
    InputMapping,
    MultiDependencyDefinition,
    NodeInvocation,
    OutputMapping,
    op,
)


@op
def one():
    return 1


@op
def add(a, b):
    return a + b


@op
def gather(values):
    return values


summing = GraphDefinition(
    name="summing",
    node_defs=[one, add, gather],
    dependencies={
        NodeInvocation("one", alias="first"): {},
        NodeInvocation("one", alias="second", tags={"k": "v"}): {},
        "add": {"a": DependencyDefinition("first"), "b": DependencyDefinition("second")},
        "gather": {
            "values": MultiDependencyDefinition(
                [DependencyDefinition("add"), DependencyDefinition("first", "result")]
            )
        },
    },
)
summing_job = summing.to_job(name="summing_job")

plus_one = GraphDefinition(
    name="plus_one",
    node_defs=[one, add],
    dependencies={"add": {"b": DependencyDefinition("one")}},
    input_mappings=[
        InputMapping(graph_input_name="n", mapped_node_name="add", mapped_node_input_name="a")
    ],
    output_mappings=[
        OutputMapping(
            graph_output_name="result", mapped_node_name="add", mapped_node_output_name="result"
        )
    ],
)
outer_job = GraphDefinition(
    name="outer",
    node_defs=[one, plus_one],
    dependencies={"plus_one": {"n": DependencyDefinition("one")}},
).to_job()
