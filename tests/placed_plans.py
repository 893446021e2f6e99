"""Plans and capacities for tests of placements and of the scheduler."""

from collections.abc import Mapping
from typing import Any

from rayexec import job, op
from rayexec.placement.capacity import Capacity, NodeGroup
from rayexec.plan import Plan, compile_job

PREFIX = "implicit_"


OWN = Capacity(({"CPU": 4.0},), is_own=True, node_ids=("a",), implicit_prefix=PREFIX)


def attached(*nodes: Mapping[str, float], groups: tuple[NodeGroup, ...] | None = ()) -> Capacity:
    ids = tuple("abcdef"[: len(nodes)])
    return Capacity(nodes, is_own=False, node_ids=ids, implicit_prefix=PREFIX, groups=groups)


def plan_of(*tags: Mapping[str, Any], **options: Any) -> Plan:
    @op(**options)
    def work() -> None:
        pass

    @job
    def tagged() -> None:
        for index, tags_of_step in enumerate(tags):
            work.tag(dict(tags_of_step)).alias(f"s{index}")()

    return compile_job(tagged)
