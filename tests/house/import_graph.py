"""Import graph of the package: late imports, typing imports and names in strings count."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

import rayexec

__all__ = ["PACKAGE", "cycles", "import_graph", "modules"]

PACKAGE = Path(rayexec.__file__).parent


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """Return the file of each module below ``package``, by dotted name."""
    root = package.parent
    names = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


@functools.cache
def import_graph(package: Path = PACKAGE) -> dict[str, set[str]]:
    """Return the modules that each module imports.

    Imports inside functions and below TYPE_CHECKING count. So does a string that holds a module's
    dotted name (with an attribute behind a colon or not): that is how tables of late imports name
    their modules. The root package counts for what its own lines import, and nothing counts as an
    import of it but its name.
    """
    files = modules(package)
    return {name: set(_imports(name, path, files)) - {name} for name, path in files.items()}


def _imports(name: str, path: Path, files: Mapping[str, Path]) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in files)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = name.split(".")
                depth = node.level - (path.name == "__init__.py")
                base = ".".join([*above[: len(above) - depth], *([base] if base else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                if inner in files:
                    yield inner
                elif base in files:
                    yield base
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
        ):
            target = node.value.partition(":")[0]
            if "." in target and target in files:
                yield target


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components of more than one module (Tarjan, 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    components: list[list[str]] = []

    def visit(name: str) -> None:
        work = [(name, iter(sorted(graph[name])))]
        index[name] = low[name] = len(index)
        stack.append(name)
        on_stack.add(name)
        while work:
            current, targets = work[-1]
            for target in targets:
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, iter(sorted(graph[target]))))
                    break
                if target in on_stack:
                    low[current] = min(low[current], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[current])
                if low[current] == index[current]:
                    component = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        component.append(member)
                        if member == current:
                            break
                    if len(component) > 1:
                        components.append(sorted(component))

    for name in graph:
        if name not in index:
            visit(name)
    return components
