"""Graphs and jobs given as data, as Dagster's GraphDefinition and JobDefinition take them."""

from typing import Any

import pytest

import rayexec
from rayexec import (
    DefinitionError,
    DependencyDefinition,
    DynamicOut,
    DynamicOutput,
    GraphDefinition,
    GraphOut,
    In,
    InputMapping,
    InvariantError,
    JobDefinition,
    MultiDependencyDefinition,
    NodeInvocation,
    Nothing,
    OpDefinition,
    Out,
    Output,
    OutputMapping,
    ResourceDefinition,
    RetryPolicy,
    SelectionError,
    UnsupportedError,
    graph,
    in_process_executor,
    job,
    op,
    success_hook,
)
from rayexec.definitions.graphs.dependencies import (
    DynamicCollectDependencyDefinition,
    MappedInputPlaceholder,
)


@op
def one() -> int:
    return 1


@op
def inc(number: int) -> int:
    return number + 1


@op
def total(numbers: list[int]) -> int:
    return sum(numbers)


@op(out={"low": Out(int), "high": Out(int)})
def split(number: int) -> tuple[int, int]:
    return number // 2, number - number // 2


@op(out=DynamicOut(int))
def three() -> list[DynamicOutput[int]]:
    return [DynamicOutput(each, f"k{each}") for each in (1, 2, 3)]


def test_dependencies_wire_as_calls_do() -> None:
    made = GraphDefinition(
        name="made",
        node_defs=[inc, one, total],
        dependencies={
            NodeInvocation("inc", alias="first"): {"number": DependencyDefinition("one")},
            NodeInvocation("inc", alias="second"): {"number": DependencyDefinition("first")},
            "total": {
                "numbers": MultiDependencyDefinition(
                    [DependencyDefinition("first"), DependencyDefinition("second", "result")]
                )
            },
        },
    )
    assert made.execute_in_process().output_for_node("total") == 5

    @graph
    def called() -> None:
        first = inc.alias("first")(one())
        total([first, inc.alias("second")(first)])

    assert called.dependencies == made.dependencies
    assert called.dependencies[NodeInvocation("one")] == {}


def test_a_node_without_dependencies_runs_too() -> None:
    assert GraphDefinition(name="alone", node_defs=[one]).execute_in_process().success
    assert GraphDefinition("empty").execute_in_process().success


def test_mappings_connect_the_inputs_and_outputs_of_a_graph() -> None:
    halves = GraphDefinition(
        name="halves",
        node_defs=[inc, split],
        dependencies={"split": {"number": DependencyDefinition("inc")}},
        input_mappings=[
            InputMapping(
                graph_input_name="whole", mapped_node_name="inc", mapped_node_input_name="number"
            )
        ],
        output_mappings=[
            OutputMapping(
                graph_output_name="upper", mapped_node_name="split", mapped_node_output_name="high"
            ),
            OutputMapping("lower", "split", "low"),
        ],
    )
    outer = GraphDefinition(
        name="outer",
        node_defs=[one, halves, inc],
        dependencies={
            "halves": {"whole": DependencyDefinition("one")},
            "inc": {"number": DependencyDefinition("halves", "upper")},
        },
    )
    result = outer.execute_in_process()
    assert result.output_for_node("halves", "lower") == 1
    assert result.output_for_node("inc") == 2
    (mapping,) = halves.input_mappings
    assert (mapping.graph_input_name, mapping.maps_to.node_name) == ("whole", "inc")
    assert mapping.maps_to.input_name == "number"
    assert [each.maps_from.output_name for each in halves.output_mappings] == ["high", "low"]
    assert halves.execute_in_process(input_values={"whole": 4}).output_value("upper") == 3


def test_an_input_of_the_graph_is_a_member_of_a_list() -> None:
    made = GraphDefinition(
        name="made",
        node_defs=[one, total],
        dependencies={
            "total": {
                "numbers": MultiDependencyDefinition(
                    [DependencyDefinition("one"), MappedInputPlaceholder]
                )
            }
        },
        input_mappings=[InputMapping("more", "total", "numbers", fan_in_index=1)],
        output_mappings=[OutputMapping("result", "total", "result")],
    )
    assert made.execute_in_process(input_values={"more": 5}).output_value() == 6
    assert made.input_mappings[0].maps_to.fan_in_index == 1
    assert made.input_mappings[0].maps_to_fan_in


def test_dynamic_outputs_are_mapped_and_collected() -> None:
    made = GraphDefinition(
        name="made",
        node_defs=[three, inc, total],
        dependencies={
            "inc": {"number": DependencyDefinition("three")},
            "total": {"numbers": DynamicCollectDependencyDefinition("inc", "result")},
        },
        output_mappings=[OutputMapping("each_one", "inc", "result", from_dynamic_mapping=True)],
    )
    result = made.execute_in_process()
    assert result.output_for_node("inc") == {"k1": 2, "k2": 3, "k3": 4}
    assert result.output_for_node("total") == 9
    assert made.output_mappings[0].from_dynamic_mapping

    @graph(out={"each_one": GraphOut()})
    def called() -> Any:
        each_one = three().map(inc)
        total(each_one.collect())
        return {"each_one": each_one}

    assert called.dependencies == made.dependencies
    assert list(called.output_mappings) == list(made.output_mappings)


def test_settings_of_a_node() -> None:
    @success_hook
    def hook(context: Any) -> None:
        pass

    policy = RetryPolicy(max_retries=3)
    made = GraphDefinition(
        name="made",
        node_defs=[one],
        dependencies={
            NodeInvocation(
                "one",
                alias="uno",
                tags={"a": "1"},
                hook_defs=frozenset({hook}),
                retry_policy=policy,
            ): {}
        },
    )
    (node,) = made.nodes
    assert (node.name, node.tags, node.hooks, node.retry_policy) == (
        "uno",
        {"a": "1"},
        (hook,),
        policy,
    )


def test_a_node_that_only_waits() -> None:
    order: list[str] = []

    @op
    def first() -> None:
        order.append("first")

    @op(ins={"start": In(Nothing)})
    def then() -> None:
        order.append("then")

    GraphDefinition(
        name="made",
        node_defs=[then, first],
        dependencies={"then": {"start": DependencyDefinition("first")}},
    ).execute_in_process()
    assert order == ["first", "then"]


def test_a_job_of_a_graph_by_its_class() -> None:
    @graph(tags={"of": "graph"})
    def work() -> None:
        """Work."""
        inc(one())

    made = JobDefinition(graph_def=work, executor_def=in_process_executor, tags={"n": 1})
    assert (made.name, made.description) == ("work", "Work.")
    assert made.tags == made.run_tags == {"of": "graph", "n": "1"}
    assert made.execute_in_process().output_for_node("inc") == 2
    assert JobDefinition(graph_def=work, name="other", run_tags={"m": 2}).run_tags == {
        "of": "graph",
        "m": "2",
    }


def test_a_selection_stays_with_a_job() -> None:
    @graph
    def work() -> None:
        inc.alias("third")(inc.alias("second")(inc.alias("first")(one())))

    part = work.to_job(name="part", op_selection=["*second"])
    assert part.op_selection == ["*second"]
    result = part.execute_in_process()
    assert result.output_for_node("second") == 3
    assert result.is_node_untouched("third")
    smaller = part.get_subset(op_selection=["*first"])
    assert smaller.execute_in_process().output_for_node("first") == 2
    assert smaller.op_selection == ["one", "first"]
    assert part.execute_in_process(op_selection=["one"]).is_node_untouched("first")
    with pytest.raises(SelectionError, match="third"):
        part.execute_in_process(op_selection=["third"])
    with pytest.raises(SelectionError, match="nowhere"):
        work.to_job(op_selection=["nowhere"])


def test_metadata_and_owners_of_a_job() -> None:
    @job(metadata={"rows": 4}, owners=["ada@example.com", "team:data"])
    def noted() -> None:
        one()

    assert noted.metadata["rows"].value == 4
    assert noted.owners == ["ada@example.com", "team:data"]


def test_a_job_with_partitions_imports_and_runs_without() -> None:
    days = rayexec.DailyPartitionsDefinition(start_date="2024-01-01")

    @job(partitions_def=days)
    def daily() -> None:
        one()

    assert daily.execute_in_process().output_for_node("one") == 1
    assert daily.partitions_def is days
    with pytest.raises(DefinitionError, match="partitions_def must be"):
        job(name="cut", partitions_def=object())(lambda: None)


def test_parts_of_a_job_that_rayexec_lacks_are_told_when_it_runs() -> None:
    of_day: Any = rayexec.daily_partitioned_config(start_date="2024-01-01")(lambda *_: {})
    elsewhere: Any = rayexec.executor(name="elsewhere")(lambda _: None)

    @job(config=of_day)
    def daily() -> None:
        one()

    @job(executor_def=elsewhere)
    def sent() -> None:
        one()

    assert daily.execute_in_process().success  # a run of no partition has none of its config
    with pytest.raises(UnsupportedError, match="partition_key= is for"):
        daily.execute_in_process(partition_key="2024-01-01")
    with pytest.raises(UnsupportedError, match="is the executor of job 'sent'"):
        sent.execute()
    assert sent.execute_in_process().success  # which leaves the executor aside


def test_parts_of_a_job_by_name() -> None:
    @success_hook(required_resource_keys={"pager"})
    def page(context: Any) -> None:
        pass

    @graph
    def inner(number: Any) -> Any:
        return inc(number)

    @job(resource_defs={"pager": ResourceDefinition.hardcoded_resource(1)}, hooks={page})
    def whole() -> None:
        inner(one())

    assert whole.has_node("inc")
    assert whole.has_node("inner")
    assert not whole.has_node("outer")
    assert whole.node_def_named("inc") is inc
    assert [node.name for node in whole.nodes] == ["one", "inner"]
    assert whole.top_level_node_defs == [one, inner]
    assert whole.get_node_named("inner").definition is inner
    assert whole.required_resource_keys == {"io_manager", "pager"}
    assert not whole.has_specified_executor
    changed = whole.with_executor_def(in_process_executor).with_metadata({"rows": 1})
    assert changed.has_specified_executor
    assert changed.metadata["rows"].value == 1
    with pytest.raises(InvariantError, match="job 'whole' has no op or graph 'ink'"):
        whole.node_def_named("ink")


def test_inputs_and_outputs_by_name() -> None:
    @graph
    def members(number: Any, other: Any) -> Any:
        total([number, inc(other)])
        return split(number).low

    number, other = members.input_defs
    assert (number.name, number.dagster_type.display_name) == ("number", "Int")
    assert other.dagster_type.display_name == "Int"
    (low,) = members.output_defs
    assert (low.name, low.dagster_type.display_name, low.is_dynamic) == ("result", "Int", False)
    assert inc.input_def_named("number").dagster_type.display_name == "Int"
    assert split.output_dict["high"].is_required
    assert three.output_defs[0].is_dynamic
    with pytest.raises(InvariantError, match="'inc' has no input 'nummer'"):
        inc.input_def_named("nummer")
    values = {"number": {"value": 3}, "other": {"value": 4}}
    assert members.execute_in_process(run_config={"inputs": values}).output_for_node("total") == 8


def test_a_prepared_op_that_nothing_calls_is_told() -> None:
    with pytest.warns(UserWarning, match="@job idle: 'uno' is prepared by alias") as noted:

        @job
        def idle() -> None:
            one.tag({"a": "b"}).alias("uno")
            one.alias("dos").tag({"a": "b"})()

    assert len(noted) == 1


def test_nodes_by_name() -> None:
    @graph
    def work() -> None:
        inc(one())

    assert list(work.node_dict) == ["one", "inc"]
    assert work.node_defs == [one, inc]
    assert work.node_named("inc").definition is inc
    with pytest.raises(InvariantError, match=r"graph 'work' has no node 'onee'\. Did you mean"):
        work.node_named("onee")


def test_an_op_of_a_compute_function() -> None:
    def doubled(context: Any, inputs: dict[str, Any]) -> Any:
        yield Output(inputs["number"] * 2, "twice")

    double = OpDefinition(
        compute_fn=doubled, name="double", ins={"number": In(int)}, outs={"twice": Out(int)}
    )
    plain = OpDefinition(lambda _context, inputs: inputs["a"] + inputs["b"], "plain")
    assert (plain.ins, list(plain.outs)) == ({}, ["result"])
    add = OpDefinition(
        name="add",
        ins={"a": In(), "b": In(), "start": In(Nothing)},
        compute_fn=lambda _context, inputs: iter([Output(sum(inputs.values()))]),
        tags={"n": 1},
    )

    @job
    def sums() -> None:
        add(a=double(one()), b=one(), start=one())

    result = sums.execute_in_process()
    assert result.output_for_node("double", "twice") == 2
    assert result.output_for_node("add") == 3
    assert add.tags == {"n": "1"}


@pytest.mark.parametrize("returned", [Output(1), 1, [Output(1)]])
def test_a_compute_function_yields_and_does_not_return(returned: Any) -> None:
    gives = OpDefinition(lambda _context, _inputs: returned, "gives")
    work = GraphDefinition(name="work", node_defs=[gives]).to_job()
    with pytest.raises(InvariantError, match=r"The compute_fn returned .*: write `yield Output"):
        work.execute_in_process()


def test_a_compute_function_without_outputs_returns_nothing() -> None:
    quiet = OpDefinition(lambda _context, _inputs: None, "quiet", outs={})
    work = GraphDefinition(name="work", node_defs=[quiet]).to_job()
    assert work.execute_in_process().success


def test_graphs_and_jobs_have_the_name_and_docstring_of_their_body() -> None:
    @graph(description="other")
    def inner() -> None:
        """Say nothing."""

    @job(name="nightly")
    def outer() -> None:
        """Run at night."""
        inner()

    assert (vars(inner)["__name__"], inner.__doc__) == ("inner", "Say nothing.")
    assert (vars(outer)["__name__"], outer.__doc__) == ("outer", "Run at night.")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "no!"}, "'no!' is not a valid name for an op"),
        ({"name": "x", "compute_fn": 3}, "op 'x': compute_fn is a function, got 3"),
        ({"name": "x", "ins": {"a": 3}}, r"op 'x': ins\['a'\] must be an In, got int"),
        ({"name": "x", "outs": {"a": 3}}, r"op 'x': outs\['a'\] must be an Out, got 3"),
    ],
)
def test_an_op_of_a_compute_function_is_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        OpDefinition(**{"compute_fn": lambda _context, _inputs: None, **settings})
