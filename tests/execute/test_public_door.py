"""The public names: complete, sorted, importable, and cheap to reach."""

import subprocess
import sys
from importlib import import_module

import rayexec
from rayexec.definitions.stand_ins.topics import TOPIC_OF

# What the package promises to be importable from its front door.
PROMISED = [
    "Backoff",
    "BoolSource",
    "Config",
    "ConfigurableIOManager",
    "ConfigurableResource",
    "DagsterEventType",
    "DagsterExecutionStepExecutionError",
    "DagsterInvalidConfigError",
    "DagsterInvalidDefinitionError",
    "DagsterInvalidSubsetError",
    "DagsterInvariantViolationError",
    "DagsterMaxRetriesExceededError",
    "DagsterStepOutputNotFoundError",
    "DagsterType",
    "DagsterTypeCheckDidNotPass",
    "DynamicOut",
    "DynamicOutput",
    "Enum",
    "EnumValue",
    "EnvVar",
    "Failure",
    "Field",
    "FilesystemIOManager",
    "GraphDefinition",
    "GraphOut",
    "HookContext",
    "IOManager",
    "IOManagerDefinition",
    "In",
    "InitLoggerContext",
    "InputContext",
    "InputManager",
    "IntSource",
    "Jitter",
    "JobDefinition",
    "LoggerDefinition",
    "MetadataValue",
    "Noneable",
    "Nothing",
    "OpDefinition",
    "OpExecutionContext",
    "Out",
    "Output",
    "OutputContext",
    "ParquetIOManager",
    "Permissive",
    "RayOptions",
    "RayexecError",
    "RetryPolicy",
    "RetryRequested",
    "RunConfig",
    "Selector",
    "Shape",
    "StringSource",
    "build_input_context",
    "build_op_context",
    "build_output_context",
    "cancel_run",
    "config_mapping",
    "configured",
    "execute_job",
    "failure_hook",
    "fs_io_manager",
    "graph",
    "in_process_executor",
    "input_manager",
    "io_manager",
    "job",
    "logger",
    "multiprocess_executor",
    "op",
    "ray_executor",
    "reconstructable",
    "resource",
    "success_hook",
    "validate_run_config",
]


def test_all_is_sorted_and_importable() -> None:
    assert rayexec.__all__ == sorted(set(rayexec.__all__))
    for name in rayexec.__all__:
        assert getattr(rayexec, name) is not None, name
    assert set(rayexec.__all__) <= set(dir(rayexec))


def test_all_that_is_promised_is_there() -> None:
    assert [name for name in PROMISED if name not in rayexec.__all__] == []


def test_the_stub_is_read_as_type_checkers_read_it() -> None:
    import ast
    from pathlib import Path

    tree = ast.parse(Path(rayexec.__file__).with_suffix(".pyi").read_text())
    imported = {
        alias.name: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    aliases = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    only_import = {node.name for node in tree.body if isinstance(node, ast.ClassDef)} | {
        node.target.id
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    } - {"__all__"}
    assert only_import == set(TOPIC_OF)
    assert imported.keys() | aliases | only_import == {*rayexec.__all__, "__version__"}
    for name, module in imported.items():
        assert getattr(rayexec, name) is getattr(import_module(module), name)


# Dagster's names of classes that have other names of their own.
SECOND_NAMES = {
    "GraphDefinition": "Graph",
    "JobDefinition": "Job",
    "TypeCheckContext": "OpExecutionContext",
    "Bool": "bool",
    "Float": "float",
    "Int": "int",
    "String": "str",
}


def test_the_name_of_a_class_is_that_of_its_home() -> None:
    for name in rayexec.__all__:
        value = getattr(rayexec, name)
        if isinstance(value, type) and not name.startswith("Dagster"):
            assert value.__name__ == SECOND_NAMES.get(name, name)


def test_dagsters_names_of_jobs_and_graphs_are_the_classes_that_the_decorators_make() -> None:
    @rayexec.graph
    def nothing() -> None:
        pass

    assert isinstance(nothing, rayexec.GraphDefinition)
    assert isinstance(nothing.to_job(), rayexec.JobDefinition)
    assert isinstance(nothing.to_job().graph, rayexec.GraphDefinition)


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(rayexec, "nonsense")


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


HEAVY = ["ray", "pyarrow", "typer", "starlette", "pydantic", "numpy", "yaml"]


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert (
        run(f"import sys, rayexec; print([name for name in {HEAVY} if name in sys.modules])")
        == "[]"
    )


def test_running_in_process_loads_no_ray() -> None:
    code = """
import sys
from rayexec import Config, job, op

class C(Config):
    n: int = 1

@op
def one(config: C) -> int:
    return config.n

@op
def add(n: int) -> int:
    return n + 1

@job
def small() -> None:
    add(one())

assert small.execute_in_process().output_for_node("add") == 2
print([name for name in ("ray", "pyarrow", "typer", "starlette", "numpy") if name in sys.modules])
"""
    assert run(code) == "[]"
