"""A graph as a tree of its nodes, as data and as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from rayexec.definitions.graph import GraphDefinition
from rayexec.definitions.graph import Node as GraphNode
from rayexec.definitions.handles import Binding, Collected, GraphInput, Source
from rayexec.definitions.op import OpDefinition

__all__ = ["describe_graph", "draw"]

Node = Mapping[str, Any]


def describe_graph(
    graph: GraphDefinition, path: str, selected: Set[str], mapped: Mapping[str, list[str]]
) -> list[dict[str, Any]]:
    """Return the nodes of a graph at ``path`` that hold any of the ``selected`` ops, in order, as
    JSON-able data.

    ``mapped`` are the dynamic outputs that ops are run for each value of, by the path of the op.
    """
    return [
        _describe(node, f"{path}{node.name}", path, selected, mapped)
        for node in graph.nodes
        if _is_chosen(f"{path}{node.name}", node.definition, selected)
    ]


def _is_chosen(path: str, definition: OpDefinition | GraphDefinition, selected: Set[str]) -> bool:
    if isinstance(definition, OpDefinition):
        return path in selected
    return any(
        _is_chosen(f"{path}.{node.name}", node.definition, selected) for node in definition.nodes
    )


def _describe(
    node: GraphNode, path: str, outer: str, selected: Set[str], mapped: Mapping[str, list[str]]
) -> dict[str, Any]:
    definition = node.definition
    described: dict[str, Any] = {
        "name": node.name,
        "kind": "op" if isinstance(definition, OpDefinition) else "graph",
        "definition": definition.name,
        "description": definition.description,
    }
    if isinstance(definition, OpDefinition):
        described["for_each"] = mapped.get(path, [])
        described["inputs"] = [
            {
                "name": name,
                "type": declared.type.name,
                "from": _sources(node.inputs.get(name), outer, selected),
                "default": repr(declared.default_value) if declared.has_default_value else None,
            }
            for name, declared in definition.ins.items()
        ]
        described["outputs"] = [
            {
                "name": name,
                "type": out.type.name,
                "dynamic": out.is_dynamic,
                "required": out.is_required,
            }
            for name, out in definition.outs.items()
        ]
        return described
    described["inputs"] = [
        {
            "name": name,
            "type": None,
            "from": _sources(node.inputs.get(name), outer, selected),
            "default": None,
        }
        for name in definition.inputs
    ]
    described["outputs"] = [
        {
            "name": name,
            "type": None,
            "from": _written(source),
            "dynamic": bool(definition.levels.get(name)),
        }
        for name, source in definition.outputs.items()
    ]
    described["nodes"] = describe_graph(definition, f"{path}.", selected, mapped)
    return described


def _sources(binding: Binding | None, outer: str, selected: Set[str]) -> list[str] | str | None:
    """Return what feeds an input: one source, a list for a fan-in, None for nothing that is
    selected.
    """
    if binding is None:
        return None
    if isinstance(binding, tuple):
        return [
            each for each in (_source(one, outer, selected) for one in binding) if each is not None
        ]
    return _source(binding, outer, selected)


def _source(source: Source, outer: str, selected: Set[str]) -> str | None:
    if isinstance(source, GraphInput):
        return f"input {source.name}"
    if isinstance(source, Collected):
        inner = _source(source.source, outer, selected)
        return None if inner is None else f"{inner}, collected"
    path = f"{outer}{source.node}"
    if path not in selected and not any(each.startswith(f"{path}.") for each in selected):
        return None
    return source.node if source.output == "result" else f"{source.node}.{source.output}"


def _written(source: Source) -> str:
    if isinstance(source, GraphInput):
        return f"input {source.name}"
    if isinstance(source, Collected):
        return f"{_written(source.source)}, collected"
    return f"{source.node}.{source.output}"


def draw(
    title: str, description: str | None, inputs: Sequence[str], nodes: Sequence[Node]
) -> Iterator[str]:
    """Yield the lines of a tree of nodes."""
    yield f"{title}{_first_line(description)}"
    if inputs:
        yield f"│ inputs: {', '.join(inputs)}"
    yield from _draw_nodes(nodes, "")


def _draw_nodes(nodes: Sequence[Node], indent: str) -> Iterator[str]:
    for number, node in enumerate(nodes, start=1):
        last = number == len(nodes)
        below = f"{indent}{'  ' if last else '│ '}"
        yield f"{indent}{'└─' if last else '├─'} {_heading(node)}"
        inner = node.get("nodes")
        rail = f"{below} {'│' if inner else ' '} "
        yield from (f"{rail}{line}" for line in _ports(node))
        if inner:
            yield from _draw_nodes(inner, f"{below} ")


def _heading(node: Node) -> str:
    kind, name, definition = node["kind"], node["name"], node["definition"]
    what = (
        ""
        if kind == "op" and name == definition
        else f" ({kind} {definition})"
        if name != definition
        else " (graph)"
    )
    over = node.get("for_each")
    each = f" [for each value of {', '.join(over)}]" if over else ""
    return f"{name}{what}{each}{_first_line(node['description'])}"


def _first_line(description: str | None) -> str:
    return (
        f"  — {description.strip().splitlines()[0]}" if description and description.strip() else ""
    )


def _ports(node: Node) -> Iterator[str]:
    for each in node["inputs"]:
        kind = f": {each['type']}" if each["type"] else ""
        yield f"{each['name']}{kind} ← {_origin(each)}"
    for each in node["outputs"]:
        if "from" in each:
            source = each["from"].removesuffix(".result")
            yield f"→ {each['name']} ← {source}{' (dynamic)' if each['dynamic'] else ''}"
            continue
        notes = [
            note
            for note, holds in (("dynamic", each["dynamic"]), ("optional", not each["required"]))
            if holds
        ]
        noted = f" ({', '.join(notes)})" if notes else ""
        yield f"→ {each['name']}: {each['type']}{noted}"


def _origin(port: Mapping[str, Any]) -> str:
    sources = port["from"]
    if isinstance(sources, list):
        return f"[{', '.join(sources)}]"
    if sources is not None:
        return str(sources)
    return f"run config, or {port['default']}" if port["default"] is not None else "run config"
