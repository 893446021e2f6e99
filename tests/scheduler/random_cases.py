"""Random graphs, outcomes and limits, with the ends of their steps by the rules written out."""

from dataclasses import dataclass, field
from typing import Any, get_args

from hypothesis import strategies as st

from rayexec import In, Nothing, Out, RetryPolicy, job, op
from rayexec.definitions.concurrency import TagLimit
from rayexec.plan import Plan, compile_job
from rayexec.scheduler.messages import (
    StepStatus,
)
from rayexec.scheduler.retention import KeepOutputs

OUTPUTS = ("a", "b")


@dataclass
class Node:
    """A step to make.

    Its inputs are (kind, [(node, output)]). Each attempt has a fate, and a last one yields outputs.
    """

    inputs: list[tuple[str, list[tuple[int, str]]]]
    fates: list[str]
    yields: frozenset[str]
    tags: dict[str, str]
    retries: int
    priority: int
    seconds: float


@dataclass
class Case:
    nodes: list[Node]
    limits: list[TagLimit]
    max_concurrent: int | None
    slots: int
    batching: bool
    require_success: bool
    keep_outputs: KeepOutputs
    choices: list[int] = field(default_factory=list)


@st.composite
def nodes(draw: st.DrawFn, index: int) -> Node:
    inputs: list[tuple[str, list[tuple[int, str]]]] = []
    if index:
        # Mostly the step before, so that chains come up.
        producer = st.one_of(st.just(index - 1), st.integers(0, index - 1))
        member = st.tuples(producer, st.sampled_from(OUTPUTS))
        for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2, 3]))):
            kind = draw(st.sampled_from(["single", "nothing", "fan_in"]))
            inputs.append(
                (kind, draw(st.lists(member, min_size=1, max_size=1 if kind != "fan_in" else 3)))
            )
    return Node(
        inputs,
        draw(
            st.lists(
                st.sampled_from(["ok", "ok", "ok", "ok", "fail", "retry", "lost"]),
                min_size=3,
                max_size=3,
            )
        ),
        draw(
            st.sampled_from([frozenset(OUTPUTS), frozenset(OUTPUTS), frozenset("a"), frozenset()])
        ),
        draw(st.sampled_from([{}, {}, {"x": "1"}, {"x": "2"}, {"y": "1"}, {"x": "1", "y": "2"}])),
        draw(st.integers(0, 2)),
        draw(st.sampled_from([0, 0, 0, 1])),
        draw(st.sampled_from([0.0, 0.0, 0.01, 0.2])),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    limit = st.builds(
        TagLimit,
        st.sampled_from(["x", "y"]),
        st.integers(1, 2),
        value=st.sampled_from([None, "1"]),
        per_unique_value=st.booleans(),
    )
    limits = draw(
        st.lists(
            limit, max_size=3, unique_by=lambda each: (each.key, each.value, each.per_unique_value)
        )
    )
    return Case(
        [draw(nodes(index)) for index in range(draw(st.integers(1, 10)))],
        [each for each in limits if not (each.value and each.per_unique_value)],
        draw(st.sampled_from([None, 1, 2, 3])),
        draw(st.sampled_from([1, 2, 4])),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.sampled_from(get_args(KeepOutputs))),
        draw(st.lists(st.integers(0, 1000), max_size=60)),
    )


def plan_of(case: Case) -> Plan:
    """Return a plan whose step i is node i; every op has two optional outputs and the inputs of its
    node.
    """
    out = {name: Out(is_required=False) for name in OUTPUTS}

    def make(index: int, node: Node) -> Any:
        ins = {
            f"i{position}": In(Nothing if kind == "nothing" else Any)
            for position, (kind, _) in enumerate(node.inputs)
        }
        tags = {**node.tags, "rayexec/priority": node.priority}
        policy = RetryPolicy(max_retries=node.retries, delay=index)

        @op(name=f"n{index}", ins=ins, out=out, tags=tags, retry_policy=policy)
        def made(**_inputs: Any) -> Any:
            raise AssertionError("no op runs here")

        return made

    @job
    def random_job() -> None:
        handles: list[Any] = []
        for index, node in enumerate(case.nodes):
            wired: dict[str, Any] = {}
            for position, (kind, members) in enumerate(node.inputs):
                sources = [handles[producer][output] for producer, output in members]
                wired[f"i{position}"] = sources if kind == "fan_in" else sources[0]
            handles.append(make(index, node)(**wired))

    return compile_job(random_job)


def expected_ends(case: Case) -> list[StepStatus]:
    """Return the end of each step, by the rules, one step at a time."""
    ended: list[StepStatus] = []

    def source(producer: int, output: str) -> str:
        status = ended[producer]
        if status is StepStatus.SUCCESS:
            return "there" if output in case.nodes[producer].yields else "skipped"
        if (
            status is StepStatus.FAILED
            and not case.require_success
            and output in left_by(case.nodes[producer])
        ):
            return "there"
        return "skipped" if status is StepStatus.SKIPPED else "failed"

    for node in case.nodes:
        skipped = failed = False
        for kind, members in node.inputs:
            fates = [source(*member) for member in members]
            failed = failed or "failed" in fates
            lost = [each == "skipped" for each in fates]
            skipped = skipped or (all(lost) if kind == "fan_in" else any(lost))
        ended.append(
            StepStatus.SKIPPED if skipped else StepStatus.ABANDONED if failed else own_end(node)[0]
        )
    return ended


def own_end(node: Node) -> tuple[StepStatus, str]:
    """Return the end of a step with attempts, and the fate of its last one."""
    for attempt_number, fate in enumerate(node.fates):
        if fate == "ok":
            return StepStatus.SUCCESS, fate
        if fate == "fail" or attempt_number >= node.retries:
            return StepStatus.FAILED, fate
    raise AssertionError("more retries than fates")


def left_by(node: Node) -> frozenset[str]:
    """Return the outputs that a failed step leaves: "a" where its op failed, none where its worker
    died.
    """
    return frozenset() if own_end(node)[1] == "lost" else frozenset("a")
