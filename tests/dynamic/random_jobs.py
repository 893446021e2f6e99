"""Random jobs with nested dynamic outputs, with their expected ends by a slow reading of rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from rayexec import DynamicOut, DynamicOutput, JobDefinition, Out, Output, job, op
from rayexec.scheduler.messages import StepStatus

Keys = tuple[str, ...]
GONE = "gone"  # an output that was not yielded; equal to itself also after it was pickled


@dataclass(frozen=True)
class Ref:
    """An output of a node, a value of a dynamic one, or (``lists`` times) a list of its values."""

    node: int
    lists: int = 0


@dataclass
class Node:
    """A node, its inputs (a list is a fan-in), and the dynamic nodes above it."""

    kind: str  # "calc", "maybe", "fan", "optional_fan", "stream"
    inputs: list[Ref | list[Ref]]
    level: tuple[int, ...]
    seed: int

    @property
    def fans(self) -> bool:
        return self.kind in ("fan", "optional_fan", "stream")


@dataclass
class Case:
    """A job; ``body`` has the calls of its function: a node, or a map with more calls."""

    nodes: list[Node] = field(default_factory=list)
    body: list[Any] = field(default_factory=list)
    fails: bool = True

    def level_of(self, ref: Ref) -> tuple[int, ...]:
        node = self.nodes[ref.node]
        level = (*node.level, ref.node) if node.fans else node.level
        return level[: len(level) - ref.lists]


@st.composite
def cases(draw: st.DrawFn, *, fails: bool = True, optional: bool = True, most: int = 10) -> Case:
    """Return a case; with ``fails`` some ops raise, with ``optional`` some yield nothing."""
    case = Case(fails=fails)
    _fill(draw, case, case.body, (), optional, most)
    return case


def _fill(
    draw: st.DrawFn, case: Case, body: list[Any], level: tuple[int, ...], optional: bool, most: int
) -> None:
    kinds = [
        "calc",
        "calc",
        "fan",
        "fan",
        "stream",
        *(["maybe", "optional_fan"] if optional else []),
    ]
    for _ in range(draw(st.integers(2, 4))):
        if len(case.nodes) >= most:
            return
        inputs: list[Ref | list[Ref]] = []
        for _ in range(draw(st.integers(1, 2))):
            plain, lists = _within_reach(case, level)
            choice = draw(st.sampled_from(["plain", "plain", "list", "list", "fan_in"]))
            if choice == "list" and lists:
                inputs.append(draw(st.sampled_from(lists)))
            elif choice == "fan_in" and plain:
                inputs.append(draw(st.lists(st.sampled_from(plain), min_size=1, max_size=3)))
            elif plain:
                inputs.append(draw(st.sampled_from(plain)))
        node = Node(draw(st.sampled_from(kinds)), inputs, (), draw(st.integers(0, 1000)))
        node.level = max([case.level_of(ref) for ref in refs_of(inputs)], key=len, default=())
        # A collected list goes to a node that is below the same dynamic outputs as the list is.
        node.inputs = [
            each
            for each in inputs
            if isinstance(each, list) or not each.lists or case.level_of(each) == node.level
        ]
        index = len(case.nodes)
        case.nodes.append(node)
        body.append(index)
        if node.fans and node.level == level and draw(st.integers(0, 3)):
            inner: list[Any] = []
            body.append((index, inner))
            _fill(draw, case, inner, (*node.level, index), optional, most)


def _within_reach(case: Case, level: tuple[int, ...]) -> tuple[list[Ref], list[Ref]]:
    """Return the single values and the lists at a level."""
    plain: list[Ref] = []
    lists: list[Ref] = []
    for index, node in enumerate(case.nodes):
        whole = (*node.level, index) if node.fans else node.level
        for count in range(len(whole) + 1):
            here = whole[: len(whole) - count]
            if here == level[: len(here)]:
                (lists if count else plain).append(Ref(index, count))
    return plain, [each for each in lists if case.level_of(each) == level]


def refs_of(inputs: Sequence[Ref | list[Ref]]) -> list[Ref]:
    return [ref for each in inputs for ref in (each if isinstance(each, list) else [each])]


def _flat(value: Any) -> int:
    if isinstance(value, list):
        total = 7
        for index, member in enumerate(value):
            total += (index + 3) * _flat(member)
        return total
    return int(value)


def outcome(node: Node, fails: bool, values: Sequence[Any]) -> Any:
    """Return a node's value for its inputs: a number, {key: number}, GONE, or a failure."""
    total = (
        node.seed + sum((position + 2) * _flat(each) for position, each in enumerate(values))
    ) % 9973
    if fails and total % 23 == 3:
        return ValueError(f"{total} is not to be")
    if node.kind == "maybe" and total % 5 == 2:
        return GONE
    if node.fans:
        return {f"k{(total + each) % 7}": total + each for each in range(total % 4)}
    return total


def breaks(node: Node, made: Any, fails: bool) -> bool:
    """Whether a streaming op fails after all its values."""
    return fails and node.kind == "stream" and sum(made.values()) % 7 == 4


def _make(case: Case, index: int) -> Any:
    node, fails = case.nodes[index], case.fails
    names = [f"i{position}" for position in range(len(node.inputs))]

    def work(values: Sequence[Any]) -> Iterator[Any]:
        made = outcome(node, fails, values)
        if isinstance(made, ValueError):
            raise made
        if isinstance(made, dict):
            for key, value in made.items():
                yield DynamicOutput(value, key)
            if breaks(node, made, fails):
                raise ValueError("broken")
        elif made != GONE:
            yield Output(made)

    functions: list[Callable[..., Any]] = [
        lambda: work([]),
        lambda i0: work([i0]),
        lambda i0, i1: work([i0, i1]),
    ]
    outs = {
        "calc": Out(),
        "maybe": Out(is_required=False),
        "fan": DynamicOut(),
        "optional_fan": DynamicOut(is_required=False),
        "stream": DynamicOut(stream=True),
    }
    fn = functions[len(names)]

    def function(**given: Any) -> Iterator[Any]:
        yield from fn(**given)

    from rayexec import In

    return op(name=f"n{index}", ins={name: In(Any) for name in names}, out=outs[node.kind])(
        function
    )


def make_job(case: Case) -> JobDefinition:
    """Return the case as a job: node 3 is ``n3``."""
    ops = [_make(case, index) for index in range(len(case.nodes))]

    @job
    def random_dynamic_job() -> None:
        handles: dict[int, Any] = {}

        def handle(ref: Ref) -> Any:
            output = handles[ref.node]
            for _ in range(ref.lists):
                output = output.collect()
            return output

        def run(body: list[Any]) -> None:
            for item in body:
                if isinstance(item, int):
                    wired = {
                        f"i{position}": [handle(one) for one in given]
                        if isinstance(given, list)
                        else handle(given)
                        for position, given in enumerate(case.nodes[item].inputs)
                    }
                    handles[item] = ops[item](**wired)
                else:
                    index, inner = item

                    def within(_one: Any, inner: list[Any] = inner) -> None:
                        run(inner)

                    handles[index].map(within)

        run(case.body)

    return random_dynamic_job


@dataclass
class Ends:
    """The expected end of each step by key, and the values of successful ones."""

    status: dict[str, StepStatus] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    yields: dict[str, list[str]] = field(default_factory=dict, compare=False)


class _Rules:
    def __init__(self, case: Case) -> None:
        self.case = case
        self.status: list[dict[Keys, StepStatus]] = []
        self.made: list[dict[Keys, Any]] = []

    def steps_of(self, level: tuple[int, ...]) -> list[Keys]:
        keys_below: list[Keys] = [()]
        for fan in level:
            keys_below = [
                (*keys, key)
                for keys in keys_below
                if keys in self.made[fan]
                for key in self.made[fan][keys]
            ]
        return keys_below

    def source(self, ref: Ref, keys: Keys) -> tuple[StepStatus, Any]:
        """Return the end of one value: SUCCESS with the value, SKIPPED or FAILED."""
        node = self.case.nodes[ref.node]
        step = keys[: len(node.level)]
        status = self.status[ref.node][step]
        if status is StepStatus.SUCCESS or (node.fans and step in self.made[ref.node]):
            made = self.made[ref.node][step]
            if node.fans:
                return StepStatus.SUCCESS, made[keys[len(node.level)]]
            return (StepStatus.SKIPPED, None) if made == GONE else (StepStatus.SUCCESS, made)
        return (StepStatus.SKIPPED if status is StepStatus.SKIPPED else StepStatus.FAILED), None

    def gathered(self, ref: Ref, keys: Keys) -> tuple[list[StepStatus], list[Any]]:
        """Return the ends of a list's values in one row, and the list."""
        node = self.case.nodes[ref.node]
        level = (*node.level, ref.node) if node.fans else node.level
        fan = level[len(keys)]
        status = status_of_fan = self.status[fan][keys[: len(self.case.nodes[fan].level)]]
        made = self.made[fan].get(keys, {})
        if (status is not StepStatus.SUCCESS and not made) or (
            self.case.nodes[fan].kind == "optional_fan" and not made
        ):
            gone = (
                StepStatus.SKIPPED
                if status in (StepStatus.SUCCESS, StepStatus.SKIPPED)
                else StepStatus.FAILED
            )
            return [gone], [GONE]
        statuses: list[StepStatus] = []
        values: list[Any] = []
        for key in made:
            if len(keys) + 1 == len(level):
                status, value = self.source(ref, (*keys, key))
                statuses.append(status)
                if status is StepStatus.SUCCESS:
                    values.append(value)
            else:
                below, inner = self.gathered(ref, (*keys, key))
                statuses += below
                if inner != [GONE]:
                    values.append(inner)
        if status_of_fan is not StepStatus.SUCCESS:  # what it had not yielded is missing
            statuses.append(StepStatus.FAILED)
        return statuses, values

    def end(self, node: Node, keys: Keys) -> tuple[StepStatus, Any]:
        values: list[Any] = []
        skipped = failed = False
        for node_input in node.inputs:
            if isinstance(node_input, list):
                sources = [self.source(ref, keys) for ref in node_input]
                statuses = [status for status, _ in sources]
                values.append([value for status, value in sources if status is StepStatus.SUCCESS])
            elif node_input.lists:
                statuses, gathered = self.gathered(node_input, keys)
                values.append(gathered)
            else:
                status, value = self.source(node_input, keys)
                statuses = [status]
                values.append(value)
            failed = failed or StepStatus.FAILED in statuses
            skipped = skipped or (
                bool(statuses) and all(status is StepStatus.SKIPPED for status in statuses)
            )
        if skipped:
            return StepStatus.SKIPPED, None
        if failed:
            return StepStatus.ABANDONED, None
        made = outcome(node, self.case.fails, values)
        if isinstance(made, ValueError):
            return StepStatus.FAILED, None
        return (
            StepStatus.FAILED if breaks(node, made, self.case.fails) else StepStatus.SUCCESS
        ), made


def expected(case: Case) -> Ends:
    """Return the expected ends of a case's steps."""
    rules, ends = _Rules(case), Ends()
    for index, node in enumerate(case.nodes):
        rules.status.append({})
        rules.made.append({})
        for keys in rules.steps_of(node.level):
            status, made = rules.end(node, keys)
            rules.status[index][keys] = status
            key = f"n{index}[{','.join(keys)}]" if keys else f"n{index}"
            ends.status[key] = status
            if status is StepStatus.SUCCESS:
                ends.values[key] = made
            if made is not None:
                rules.made[index][keys] = made
            ends.yields[key] = list(made) if isinstance(made, dict) else []
    return ends
