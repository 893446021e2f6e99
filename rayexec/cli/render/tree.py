"""A job as a tree of lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rayexec.views.graph_outline import InputOutline, NodeOutline, OutputOutline
from rayexec.views.job_outline import JobOutline

__all__ = ["tree_lines"]


def tree_lines(outline: JobOutline) -> Iterator[str]:
    """Yield the lines of a job's tree."""
    yield f"{outline.job}{_first_line(outline.description)}"
    if outline.inputs:
        yield f"│ inputs: {', '.join(outline.inputs)}"
    yield from _node_lines(outline.nodes, "")


def _node_lines(nodes: Sequence[NodeOutline], indent: str) -> Iterator[str]:
    for count, node in enumerate(nodes, start=1):
        is_last = count == len(nodes)
        below = f"{indent}{'  ' if is_last else '│ '}"
        yield f"{indent}{'└─' if is_last else '├─'} {_heading(node)}"
        rail = f"{below} {'│' if node.nodes else ' '} "
        yield from (f"{rail}{_input_line(port)}" for port in node.inputs)
        yield from (f"{rail}{_output_line(port)}" for port in node.outputs)
        if node.nodes:
            yield from _node_lines(node.nodes, f"{below} ")


def _heading(node: NodeOutline) -> str:
    about = ""
    if node.name != node.definition:
        about = f" ({node.kind} {node.definition})"
    elif node.kind == "graph":
        about = " (graph)"
    for_each = f" [for each value of {', '.join(node.for_each)}]" if node.for_each else ""
    return f"{node.name}{about}{for_each}{_first_line(node.description)}"


def _first_line(description: str | None) -> str:
    if not description or not description.strip():
        return ""
    return f"  — {description.strip().splitlines()[0]}"


def _input_line(port: InputOutline) -> str:
    kind = f": {port.type}" if port.type else ""
    return f"{port.name}{kind} ← {_origin(port)}"


def _origin(port: InputOutline) -> str:
    if isinstance(port.source, list):
        return f"[{', '.join(port.source)}]"
    if port.source is not None:
        return port.source
    return f"run config, or {port.default}" if port.default is not None else "run config"


def _output_line(port: OutputOutline) -> str:
    if port.source is not None:
        source = port.source.removesuffix(".result")
        return f"→ {port.name} ← {source}{' (dynamic)' if port.is_dynamic else ''}"
    notes = [
        note
        for note, applies in (("dynamic", port.is_dynamic), ("optional", not port.is_required))
        if applies
    ]
    noted = f" ({', '.join(notes)})" if notes else ""
    return f"→ {port.name}: {port.type}{noted}"
