"""Comparison of a resumed run's config and inputs with those of the earlier run, node by node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import pydantic

from rayexec.config.run_config import ResolvedConfig, resolve_run_config
from rayexec.config.secret_config import fill_masks
from rayexec.definitions.graphs.job_definition import JobDefinition
from rayexec.definitions.io_manager import manager_key
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.resource import ResourceDefinition
from rayexec.errors import RayexecError
from rayexec.execute.input_digests import changed_inputs
from rayexec.names import node_path
from rayexec.plan.model import FromConfig
from rayexec.run.spec import RunSpec

if TYPE_CHECKING:
    from rayexec.store import RunRecord

__all__ = ["ConfigChanges", "compare_config", "compare_inputs"]

_MISSING = object()


class ConfigChanges(NamedTuple):
    """Paths of ops with other config than in an earlier run."""

    #: Ops with other config of their own, or with another input from run config.
    nodes: frozenset[str]
    #: Other ops, whose resources or IO managers have other config. That is mostly another place, or
    #: another password, for the same data.
    by_resources: frozenset[str]

    def __or__(self, other: ConfigChanges) -> ConfigChanges:
        """Return the changes of both."""
        nodes = self.nodes | other.nodes
        return ConfigChanges(nodes, (self.by_resources | other.by_resources) - nodes)


def compare_inputs(record: RunRecord, spec: RunSpec) -> ConfigChanges:
    """Compare the inputs of ``spec`` whose values no run config shows with those of a record."""
    changed = changed_inputs(record.input_digests, record.run_id, spec.config)
    nodes = _nodes_fed_by(spec, changed) if changed else ()
    return ConfigChanges(frozenset(nodes), frozenset())


def compare_config(
    job: JobDefinition,
    before: Mapping[str, Any],
    spec: RunSpec,
    *,
    input_values: Mapping[str, Any] | None,
) -> ConfigChanges:
    """Compare ``before``, the run config of an earlier run, with that of ``spec``.

    If the earlier config does not fit the job any more, all ops with config count as changed. The
    earlier run may have got resources in Python, which its config lacks; these count as the same.
    """
    plan, now = spec.plan, spec.config
    ops = plan.ops_by_key
    needed = spec.used_resources()
    # Whether a secret has changed is not known: it counts as the same.
    before = fill_masks(before, now.document)

    def resolved(document: Mapping[str, Any]) -> ResolvedConfig | None:
        try:
            return resolve_run_config(
                job,
                document,
                ops=ops,
                open_inputs=plan.open_inputs,
                input_values=input_values,
                resources=spec.resources,
                needed=needed,
                ignore_execution=True,
            )
        except RayexecError:
            return None

    then = resolved({**before, "resources": now.document.get("resources") or {}})
    nodes = _differing(None if then is None else then.ops, now.ops)
    inputs = _differing(None if then is None else then.inputs, now.inputs)
    nodes |= _nodes_fed_by(spec, inputs)
    by_resources: set[str] = set()
    whole = resolved(before)
    if whole is not None:
        keys = _requiring(_differing(whole.resources, now.resources), spec.resources)
        used = {node for node, op in ops.items() if not keys.isdisjoint(_used(op, spec.resources))}
        by_resources = used - nodes
    return ConfigChanges(frozenset(nodes), frozenset(by_resources))


def _differing(then: Mapping[Any, Any] | None, now: Mapping[Any, Any]) -> set[Any]:
    """Return the keys with another value now; all keys where nothing is known of before."""
    if then is None:
        return set(now)
    keys = then.keys() | now.keys()
    return {key for key in keys if not _is_same(then.get(key, _MISSING), now.get(key, _MISSING))}


def _is_same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    try:
        # A record has dates and paths as text.
        return bool(one == other) or _as_recorded(one) == _as_recorded(other) != _MISSING
    except Exception:  # Objects of users compare as they like.
        return False


def _as_recorded(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, pydantic.BaseModel) else _MISSING


def _nodes_fed_by(spec: RunSpec, inputs: Iterable[tuple[str, str]]) -> set[str]:
    """Return the paths of nodes that take one of these inputs of the run."""
    wanted = {FromConfig(*each) for each in inputs}
    plan = spec.plan
    nodes = {
        node_path(step.key)
        for step in plan.steps
        for step_input in step.inputs
        if not wanted.isdisjoint(step_input.sources)
    }
    return nodes | {
        node.key
        for node in plan.mapped_nodes
        for node_input in node.inputs
        if any(source in wanted for source in node_input.sources)
    }


def _requiring(keys: set[str], resources: Mapping[str, ResourceDefinition]) -> set[str]:
    """Return ``keys`` and the resources that require one of them, directly or not."""
    while True:
        more = {
            key
            for key, definition in resources.items()
            if key not in keys and not keys.isdisjoint(definition.required_resource_keys)
        }
        if not more:
            return keys
        keys = keys | more


def _used(op: OpDefinition, resources: Mapping[str, ResourceDefinition]) -> set[str]:
    managers = {manager_key(out, resources) for out in op.outs.values()}
    loaders = {each.input_manager_key for each in op.ins.values()}
    return {key for key in {*op.resource_keys, *managers, *loaders} if key is not None}
