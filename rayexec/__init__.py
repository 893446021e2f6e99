"""rayexec: Dagster's op/job execution, on Ray.

All public names are importable from here. Each loads at its first use, so that ``import rayexec``
and the help of the command line are fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rayexec import errors
from rayexec._version import __version__ as __version__

if TYPE_CHECKING:
    from rayexec.config.config_types import Array as Array
    from rayexec.config.config_types import BoolSource as BoolSource
    from rayexec.config.config_types import Enum as Enum
    from rayexec.config.config_types import EnumValue as EnumValue
    from rayexec.config.config_types import Field as Field
    from rayexec.config.config_types import IntSource as IntSource
    from rayexec.config.config_types import Map as Map
    from rayexec.config.config_types import Noneable as Noneable
    from rayexec.config.config_types import Permissive as Permissive
    from rayexec.config.config_types import Selector as Selector
    from rayexec.config.config_types import Shape as Shape
    from rayexec.config.config_types import StringSource as StringSource
    from rayexec.config.document import RunConfig as RunConfig
    from rayexec.definitions.concurrency import Pool as Pool
    from rayexec.definitions.config_models import Config as Config
    from rayexec.definitions.config_models import EnvVar as EnvVar
    from rayexec.definitions.config_models import PermissiveConfig as PermissiveConfig
    from rayexec.definitions.contexts import HookContext as HookContext
    from rayexec.definitions.contexts import InitResourceContext as InitResourceContext
    from rayexec.definitions.contexts import OpExecutionContext as OpExecutionContext
    from rayexec.definitions.contexts import build_hook_context as build_hook_context
    from rayexec.definitions.contexts import (
        build_init_resource_context as build_init_resource_context,
    )
    from rayexec.definitions.contexts import build_op_context as build_op_context
    from rayexec.definitions.executor import ExecutorDefinition as ExecutorDefinition
    from rayexec.definitions.executor import in_process_executor as in_process_executor
    from rayexec.definitions.executor import multiprocess_executor as multiprocess_executor
    from rayexec.definitions.executor import ray_executor as ray_executor
    from rayexec.definitions.hooks import HookDefinition as HookDefinition
    from rayexec.definitions.hooks import failure_hook as failure_hook
    from rayexec.definitions.hooks import success_hook as success_hook
    from rayexec.definitions.io_contexts import InputContext as InputContext
    from rayexec.definitions.io_contexts import OutputContext as OutputContext
    from rayexec.definitions.io_contexts import build_input_context as build_input_context
    from rayexec.definitions.io_contexts import build_output_context as build_output_context
    from rayexec.definitions.io_manager import ConfigurableIOManager as ConfigurableIOManager
    from rayexec.definitions.io_manager import InputManager as InputManager
    from rayexec.definitions.io_manager import IOManager as IOManager
    from rayexec.definitions.io_manager import IOManagerDefinition as IOManagerDefinition
    from rayexec.definitions.io_manager import input_manager as input_manager
    from rayexec.definitions.io_manager import io_manager as io_manager
    from rayexec.definitions.logger import InitLoggerContext as InitLoggerContext
    from rayexec.definitions.logger import LoggerDefinition as LoggerDefinition
    from rayexec.definitions.logger import build_init_logger_context as build_init_logger_context
    from rayexec.definitions.logger import logger as logger
    from rayexec.definitions.mapping import config_mapping as config_mapping
    from rayexec.definitions.mapping import configured as configured
    from rayexec.definitions.metadata import MetadataValue as MetadataValue
    from rayexec.definitions.op import OpDefinition as OpDefinition
    from rayexec.definitions.op import op as op
    from rayexec.definitions.ports import DynamicOut as DynamicOut
    from rayexec.definitions.ports import DynamicOutput as DynamicOutput
    from rayexec.definitions.ports import GraphOut as GraphOut
    from rayexec.definitions.ports import In as In
    from rayexec.definitions.ports import Out as Out
    from rayexec.definitions.ports import Output as Output
    from rayexec.definitions.ray_options import RayOptions as RayOptions
    from rayexec.definitions.resource import ConfigurableResource as ConfigurableResource
    from rayexec.definitions.resource import ResourceDefinition as ResourceDefinition
    from rayexec.definitions.resource import ResourceParam as ResourceParam
    from rayexec.definitions.resource import resource as resource
    from rayexec.definitions.retry import Backoff as Backoff
    from rayexec.definitions.retry import Failure as Failure
    from rayexec.definitions.retry import Jitter as Jitter
    from rayexec.definitions.retry import RetryPolicy as RetryPolicy
    from rayexec.definitions.retry import RetryRequested as RetryRequested
    from rayexec.definitions.types import DagsterType as DagsterType
    from rayexec.definitions.types import Nothing as Nothing
    from rayexec.definitions.types import TypeCheck as TypeCheck
    from rayexec.errors import ConfigError as ConfigError
    from rayexec.errors import (
        DagsterExecutionHandleOutputError as DagsterExecutionHandleOutputError,
    )
    from rayexec.errors import (
        DagsterExecutionStepExecutionError as DagsterExecutionStepExecutionError,
    )
    from rayexec.errors import (
        DagsterExecutionStepNotFoundError as DagsterExecutionStepNotFoundError,
    )
    from rayexec.errors import DagsterInvalidConfigError as DagsterInvalidConfigError
    from rayexec.errors import DagsterInvalidDefinitionError as DagsterInvalidDefinitionError
    from rayexec.errors import DagsterInvalidInvocationError as DagsterInvalidInvocationError
    from rayexec.errors import DagsterInvalidSubsetError as DagsterInvalidSubsetError
    from rayexec.errors import DagsterInvariantViolationError as DagsterInvariantViolationError
    from rayexec.errors import DagsterMaxRetriesExceededError as DagsterMaxRetriesExceededError
    from rayexec.errors import DagsterResourceFunctionError as DagsterResourceFunctionError
    from rayexec.errors import DagsterStepOutputNotFoundError as DagsterStepOutputNotFoundError
    from rayexec.errors import DagsterTypeCheckDidNotPass as DagsterTypeCheckDidNotPass
    from rayexec.errors import DefinitionError as DefinitionError
    from rayexec.errors import EngineError as EngineError
    from rayexec.errors import InputError as InputError
    from rayexec.errors import InvariantError as InvariantError
    from rayexec.errors import InvocationError as InvocationError
    from rayexec.errors import LoadError as LoadError
    from rayexec.errors import MaxRetriesExceededError as MaxRetriesExceededError
    from rayexec.errors import OutputError as OutputError
    from rayexec.errors import OutputNotFoundError as OutputNotFoundError
    from rayexec.errors import Problem as Problem
    from rayexec.errors import RayexecError as RayexecError
    from rayexec.errors import ResourceError as ResourceError
    from rayexec.errors import RetriesDisabledError as RetriesDisabledError
    from rayexec.errors import RunCanceledError as RunCanceledError
    from rayexec.errors import RunNotFoundError as RunNotFoundError
    from rayexec.errors import RunTimeoutError as RunTimeoutError
    from rayexec.errors import SelectionError as SelectionError
    from rayexec.errors import StepError as StepError
    from rayexec.errors import StepExecutionError as StepExecutionError
    from rayexec.errors import StepNotFoundError as StepNotFoundError
    from rayexec.errors import StepTimeoutError as StepTimeoutError
    from rayexec.errors import StoreError as StoreError
    from rayexec.errors import TypeCheckError as TypeCheckError
    from rayexec.errors import WorkerCrashedError as WorkerCrashedError
    from rayexec.events import Event as Event
    from rayexec.events import EventType as EventType
    from rayexec.events import RunStatus as RunStatus
    from rayexec.execute import ReexecutionOptions as ReexecutionOptions
    from rayexec.execute import RunResult as RunResult
    from rayexec.execute import cancel_run as cancel_run
    from rayexec.execute import execute_in_process as execute_in_process
    from rayexec.execute import execute_job as execute_job
    from rayexec.execute import validate_run_config as validate_run_config
    from rayexec.io.filesystem import FilesystemIOManager as FilesystemIOManager
    from rayexec.io.filesystem import fs_io_manager as fs_io_manager
    from rayexec.io.parquet import ParquetIOManager as ParquetIOManager
    from rayexec.jobs import Graph as Graph
    from rayexec.jobs import Job as Job
    from rayexec.jobs import graph as graph
    from rayexec.jobs import job as job
    from rayexec.jobs import reconstructable as reconstructable
    from rayexec.launch import LaunchedRun as LaunchedRun
    from rayexec.launch import launch_job as launch_job
    from rayexec.store.directory import DirectoryRunStore as DirectoryRunStore
    from rayexec.store.memory import MemoryRunStore as MemoryRunStore

    DagsterEventType = EventType
    GraphDefinition = Graph
    JobDefinition = Job

# The public names by the module that defines them.
_HOMES = {
    "rayexec.config.document": ("RunConfig",),
    "rayexec.config.config_types": (
        "Array",
        "BoolSource",
        "Enum",
        "EnumValue",
        "Field",
        "IntSource",
        "Map",
        "Noneable",
        "Permissive",
        "Selector",
        "Shape",
        "StringSource",
    ),
    "rayexec.definitions.config_models": (
        "Config",
        "EnvVar",
        "PermissiveConfig",
    ),
    "rayexec.definitions.executor": (
        "ExecutorDefinition",
        "in_process_executor",
        "multiprocess_executor",
        "ray_executor",
    ),
    "rayexec.definitions.hooks": (
        "HookDefinition",
        "failure_hook",
        "success_hook",
    ),
    "rayexec.definitions.io_manager": (
        "ConfigurableIOManager",
        "InputManager",
        "IOManager",
        "IOManagerDefinition",
        "input_manager",
        "io_manager",
    ),
    "rayexec.definitions.concurrency": ("Pool",),
    "rayexec.definitions.logger": (
        "InitLoggerContext",
        "LoggerDefinition",
        "build_init_logger_context",
        "logger",
    ),
    "rayexec.definitions.mapping": (
        "config_mapping",
        "configured",
    ),
    "rayexec.definitions.metadata": ("MetadataValue",),
    "rayexec.definitions.op": (
        "OpDefinition",
        "op",
    ),
    "rayexec.definitions.ray_options": ("RayOptions",),
    "rayexec.definitions.ports": (
        "DynamicOut",
        "DynamicOutput",
        "GraphOut",
        "In",
        "Out",
        "Output",
    ),
    "rayexec.definitions.resource": (
        "ConfigurableResource",
        "ResourceDefinition",
        "ResourceParam",
        "resource",
    ),
    "rayexec.definitions.retry": (
        "Backoff",
        "Failure",
        "Jitter",
        "RetryPolicy",
        "RetryRequested",
    ),
    "rayexec.definitions.types": (
        "DagsterType",
        "Nothing",
        "TypeCheck",
    ),
    "rayexec.errors": tuple(errors.__all__),
    "rayexec.events": (
        "Event",
        "EventType",
        "RunStatus",
    ),
    "rayexec.execute": (
        "ReexecutionOptions",
        "RunResult",
        "cancel_run",
        "execute_in_process",
        "execute_job",
        "validate_run_config",
    ),
    "rayexec.jobs": (
        "Graph",
        "Job",
        "graph",
        "job",
        "reconstructable",
    ),
    "rayexec.io.parquet": ("ParquetIOManager",),
    "rayexec.launch": (
        "LaunchedRun",
        "launch_job",
    ),
    "rayexec.io.filesystem": (
        "FilesystemIOManager",
        "fs_io_manager",
    ),
    "rayexec.definitions.contexts": (
        "HookContext",
        "InitResourceContext",
        "OpExecutionContext",
        "build_hook_context",
        "build_init_resource_context",
        "build_op_context",
    ),
    "rayexec.definitions.io_contexts": (
        "InputContext",
        "OutputContext",
        "build_input_context",
        "build_output_context",
    ),
    "rayexec.store.directory": ("DirectoryRunStore",),
    "rayexec.store.memory": ("MemoryRunStore",),
}
# Dagster's names of some of them.
_ALIASES = {
    "DagsterEventType": "EventType",
    "GraphDefinition": "Graph",
    "JobDefinition": "Job",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

# The table alone lists the names.
__all__ = sorted([*_HOME_OF, *_ALIASES])  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    own_name = _ALIASES.get(name, name)
    if own_name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[own_name]), own_name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
