# mypy: disable-error-code="misc"

# The public names of rayexec, and the module that defines each of them. Type checkers read this
# file, and so does rayexec/__init__.py: it loads a name at its first use. A line has one of the
# forms `from MODULE import NAME as NAME` and `OTHER_NAME = NAME`; the first may be in parentheses.

from rayexec._version import __version__ as __version__
from rayexec.config.document import RunConfig as RunConfig
from rayexec.config.yaml_files import config_from_files as config_from_files
from rayexec.config.yaml_files import config_from_pkg_resources as config_from_pkg_resources
from rayexec.config.yaml_files import config_from_yaml_strings as config_from_yaml_strings
from rayexec.definitions import definitions as definitions
from rayexec.definitions.asset_key import AssetKey as AssetKey
from rayexec.definitions.concurrency import Pool as Pool
from rayexec.definitions.config_models import Config as Config
from rayexec.definitions.config_models import PermissiveConfig as PermissiveConfig
from rayexec.definitions.configurable_resource import (
    ConfigurableLegacyResourceAdapter as ConfigurableLegacyResourceAdapter,
)
from rayexec.definitions.configurable_resource import ConfigurableResource as ConfigurableResource
from rayexec.definitions.configurable_resource import (
    ConfigurableResourceFactory as ConfigurableResourceFactory,
)
from rayexec.definitions.configured import configured as configured
from rayexec.definitions.contexts import InitResourceContext as InitResourceContext
from rayexec.definitions.contexts import OpExecutionContext as OpExecutionContext
from rayexec.definitions.environment_values import EnvVar as EnvVar
from rayexec.definitions.executor import ExecutorDefinition as ExecutorDefinition
from rayexec.definitions.executor import in_process_executor as in_process_executor
from rayexec.definitions.executor import (
    multi_or_in_process_executor as multi_or_in_process_executor,
)
from rayexec.definitions.executor import multiprocess_executor as multiprocess_executor
from rayexec.definitions.executor import ray_executor as ray_executor
from rayexec.definitions.graphs.dependencies import DependencyDefinition as DependencyDefinition
from rayexec.definitions.graphs.dependencies import InputMapping as InputMapping
from rayexec.definitions.graphs.dependencies import (
    MultiDependencyDefinition as MultiDependencyDefinition,
)
from rayexec.definitions.graphs.dependencies import NodeInvocation as NodeInvocation
from rayexec.definitions.graphs.dependencies import OutputMapping as OutputMapping
from rayexec.definitions.hook_context import HookContext as HookContext
from rayexec.definitions.hooks import HookDefinition as HookDefinition
from rayexec.definitions.hooks import HookExecutionResult as HookExecutionResult
from rayexec.definitions.hooks import event_list_hook as event_list_hook
from rayexec.definitions.hooks import failure_hook as failure_hook
from rayexec.definitions.hooks import success_hook as success_hook
from rayexec.definitions.invocation import PendingNodeInvocation as PendingNodeInvocation
from rayexec.definitions.io_contexts import InputContext as InputContext
from rayexec.definitions.io_contexts import OutputContext as OutputContext
from rayexec.definitions.io_manager import ConfigurableIOManager as ConfigurableIOManager
from rayexec.definitions.io_manager import (
    ConfigurableIOManagerFactory as ConfigurableIOManagerFactory,
)
from rayexec.definitions.io_manager import (
    ConfigurableLegacyIOManagerAdapter as ConfigurableLegacyIOManagerAdapter,
)
from rayexec.definitions.io_manager import InputManager as InputManager
from rayexec.definitions.io_manager import InputManagerDefinition as InputManagerDefinition
from rayexec.definitions.io_manager import IOManager as IOManager
from rayexec.definitions.io_manager import IOManagerDefinition as IOManagerDefinition
from rayexec.definitions.io_manager import input_manager as input_manager
from rayexec.definitions.io_manager import io_manager as io_manager
from rayexec.definitions.loggers.console_loggers import JsonLogFormatter as JsonLogFormatter
from rayexec.definitions.loggers.console_loggers import (
    colored_console_logger as colored_console_logger,
)
from rayexec.definitions.loggers.console_loggers import default_loggers as default_loggers
from rayexec.definitions.loggers.console_loggers import (
    default_system_loggers as default_system_loggers,
)
from rayexec.definitions.loggers.console_loggers import json_console_logger as json_console_logger
from rayexec.definitions.loggers.logger import InitLoggerContext as InitLoggerContext
from rayexec.definitions.loggers.logger import LoggerDefinition as LoggerDefinition
from rayexec.definitions.loggers.logger import logger as logger
from rayexec.definitions.loggers.python_logger import get_dagster_logger as get_dagster_logger
from rayexec.definitions.mapping import ConfigMapping as ConfigMapping
from rayexec.definitions.mapping import config_mapping as config_mapping
from rayexec.definitions.metadata.metadata_value import BoolMetadataValue as BoolMetadataValue
from rayexec.definitions.metadata.metadata_value import (
    DagsterAssetMetadataValue as DagsterAssetMetadataValue,
)
from rayexec.definitions.metadata.metadata_value import (
    DagsterJobMetadataValue as DagsterJobMetadataValue,
)
from rayexec.definitions.metadata.metadata_value import (
    DagsterRunMetadataValue as DagsterRunMetadataValue,
)
from rayexec.definitions.metadata.metadata_value import FloatMetadataValue as FloatMetadataValue
from rayexec.definitions.metadata.metadata_value import IntMetadataValue as IntMetadataValue
from rayexec.definitions.metadata.metadata_value import JsonMetadataValue as JsonMetadataValue
from rayexec.definitions.metadata.metadata_value import (
    MarkdownMetadataValue as MarkdownMetadataValue,
)
from rayexec.definitions.metadata.metadata_value import MetadataValue as MetadataValue
from rayexec.definitions.metadata.metadata_value import (
    NotebookMetadataValue as NotebookMetadataValue,
)
from rayexec.definitions.metadata.metadata_value import NullMetadataValue as NullMetadataValue
from rayexec.definitions.metadata.metadata_value import PathMetadataValue as PathMetadataValue
from rayexec.definitions.metadata.metadata_value import PoolMetadataValue as PoolMetadataValue
from rayexec.definitions.metadata.metadata_value import (
    PythonArtifactMetadataValue as PythonArtifactMetadataValue,
)
from rayexec.definitions.metadata.metadata_value import (
    TableColumnLineageMetadataValue as TableColumnLineageMetadataValue,
)
from rayexec.definitions.metadata.metadata_value import TableMetadataValue as TableMetadataValue
from rayexec.definitions.metadata.metadata_value import (
    TableSchemaMetadataValue as TableSchemaMetadataValue,
)
from rayexec.definitions.metadata.metadata_value import TextMetadataValue as TextMetadataValue
from rayexec.definitions.metadata.metadata_value import (
    TimestampMetadataValue as TimestampMetadataValue,
)
from rayexec.definitions.metadata.metadata_value import UrlMetadataValue as UrlMetadataValue
from rayexec.definitions.metadata.plain_metadata import MetadataEntry as MetadataEntry
from rayexec.definitions.metadata.table_schema import TableColumn as TableColumn
from rayexec.definitions.metadata.table_schema import (
    TableColumnConstraints as TableColumnConstraints,
)
from rayexec.definitions.metadata.table_schema import TableColumnDep as TableColumnDep
from rayexec.definitions.metadata.table_schema import TableColumnLineage as TableColumnLineage
from rayexec.definitions.metadata.table_schema import TableConstraints as TableConstraints
from rayexec.definitions.metadata.table_schema import TableRecord as TableRecord
from rayexec.definitions.metadata.table_schema import TableSchema as TableSchema
from rayexec.definitions.op import OpDefinition as OpDefinition
from rayexec.definitions.op import op as op
from rayexec.definitions.ports import DynamicOut as DynamicOut
from rayexec.definitions.ports import DynamicOutput as DynamicOutput
from rayexec.definitions.ports import GraphIn as GraphIn
from rayexec.definitions.ports import GraphOut as GraphOut
from rayexec.definitions.ports import In as In
from rayexec.definitions.ports import Out as Out
from rayexec.definitions.ports import Output as Output
from rayexec.definitions.ray_options import RayOptions as RayOptions
from rayexec.definitions.relative_path import file_relative_path as file_relative_path
from rayexec.definitions.resource import (
    IAttachDifferentObjectToOpContext as IAttachDifferentObjectToOpContext,
)
from rayexec.definitions.resource import ResourceDefinition as ResourceDefinition
from rayexec.definitions.resource import ResourceParam as ResourceParam
from rayexec.definitions.resource import make_values_resource as make_values_resource
from rayexec.definitions.resource import resource as resource
from rayexec.definitions.resource_fields import ResourceDependency as ResourceDependency
from rayexec.definitions.retry import Backoff as Backoff
from rayexec.definitions.retry import Failure as Failure
from rayexec.definitions.retry import Jitter as Jitter
from rayexec.definitions.retry import RetryPolicy as RetryPolicy
from rayexec.definitions.retry import RetryRequested as RetryRequested
from rayexec.definitions.schemas.config_types import BoolSource as BoolSource
from rayexec.definitions.schemas.config_types import EnumValue as EnumValue
from rayexec.definitions.schemas.config_types import IntSource as IntSource
from rayexec.definitions.schemas.config_types import StringSource as StringSource
from rayexec.definitions.schemas.declarations import Array as Array
from rayexec.definitions.schemas.declarations import ConfigSchema as ConfigSchema
from rayexec.definitions.schemas.declarations import Enum as Enum
from rayexec.definitions.schemas.declarations import Field as Field
from rayexec.definitions.schemas.declarations import Map as Map
from rayexec.definitions.schemas.declarations import Noneable as Noneable
from rayexec.definitions.schemas.declarations import Permissive as Permissive
from rayexec.definitions.schemas.declarations import ScalarUnion as ScalarUnion
from rayexec.definitions.schemas.declarations import Selector as Selector
from rayexec.definitions.schemas.declarations import Shape as Shape
from rayexec.definitions.stand_ins.warning_classes import BetaWarning as BetaWarning
from rayexec.definitions.stand_ins.warning_classes import (
    ConfigArgumentWarning as ConfigArgumentWarning,
)
from rayexec.definitions.stand_ins.warning_classes import PreviewWarning as PreviewWarning
from rayexec.definitions.stand_ins.warning_classes import SupersessionWarning as SupersessionWarning
from rayexec.definitions.stand_ins.warning_classes import deprecation_warning as deprecation_warning
from rayexec.definitions.surroundings import StepLog as StepLog
from rayexec.definitions.tags import MAX_RUNTIME_SECONDS_TAG as MAX_RUNTIME_SECONDS_TAG
from rayexec.definitions.type_names import Any as Any
from rayexec.definitions.type_names import Bool as Bool
from rayexec.definitions.type_names import Dict as Dict
from rayexec.definitions.type_names import Float as Float
from rayexec.definitions.type_names import Int as Int
from rayexec.definitions.type_names import List as List
from rayexec.definitions.type_names import Optional as Optional
from rayexec.definitions.type_names import Set as Set
from rayexec.definitions.type_names import String as String
from rayexec.definitions.type_names import Tuple as Tuple
from rayexec.definitions.type_names import check_dagster_type as check_dagster_type
from rayexec.definitions.types.dagster_type import DagsterType as DagsterType
from rayexec.definitions.types.dagster_type import Nothing as Nothing
from rayexec.definitions.types.dagster_type import (
    PythonObjectDagsterType as PythonObjectDagsterType,
)
from rayexec.definitions.types.dagster_type import TypeCheck as TypeCheck
from rayexec.definitions.types.type_loaders import DagsterTypeLoader as DagsterTypeLoader
from rayexec.definitions.types.type_loaders import dagster_type_loader as dagster_type_loader
from rayexec.definitions.types.type_registry import (
    make_python_type_usable_as_dagster_type as make_python_type_usable_as_dagster_type,
)
from rayexec.definitions.types.type_registry import usable_as_dagster_type as usable_as_dagster_type
from rayexec.definitions.user_events import AssetMaterialization as AssetMaterialization
from rayexec.definitions.user_events import AssetObservation as AssetObservation
from rayexec.definitions.user_events import ExpectationResult as ExpectationResult
from rayexec.direct.built_contexts import build_hook_context as build_hook_context
from rayexec.direct.built_contexts import build_init_logger_context as build_init_logger_context
from rayexec.direct.built_contexts import build_init_resource_context as build_init_resource_context
from rayexec.direct.built_io_contexts import build_input_context as build_input_context
from rayexec.direct.built_io_contexts import build_output_context as build_output_context
from rayexec.direct.op_context import build_op_context as build_op_context
from rayexec.direct.opened_resources import build_resources as build_resources
from rayexec.errors import ConfigError as ConfigError
from rayexec.errors import ConfigMappingError as ConfigMappingError
from rayexec.errors import DagsterExecutionInterruptedError as DagsterExecutionInterruptedError
from rayexec.errors import DefinitionError as DefinitionError
from rayexec.errors import EngineError as EngineError
from rayexec.errors import InputError as InputError
from rayexec.errors import InvariantError as InvariantError
from rayexec.errors import InvocationError as InvocationError
from rayexec.errors import LoadError as LoadError
from rayexec.errors import MaxRetriesExceededError as MaxRetriesExceededError
from rayexec.errors import MisuseError as MisuseError
from rayexec.errors import OutputError as OutputError
from rayexec.errors import OutputNotFoundError as OutputNotFoundError
from rayexec.errors import OutputStorageError as OutputStorageError
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
from rayexec.errors import TypeCheckFunctionError as TypeCheckFunctionError
from rayexec.errors import TypeLoadingError as TypeLoadingError
from rayexec.errors import UnknownResourceError as UnknownResourceError
from rayexec.errors import UnsupportedError as UnsupportedError
from rayexec.errors import UserCodeError as UserCodeError
from rayexec.errors import WorkerCrashedError as WorkerCrashedError
from rayexec.events import Event as Event
from rayexec.events import EventType as EventType
from rayexec.events import RunStatus as RunStatus
from rayexec.execute import ExecuteInProcessResult as ExecuteInProcessResult
from rayexec.execute import JobExecutionResult as JobExecutionResult
from rayexec.execute import ReexecutionOptions as ReexecutionOptions
from rayexec.execute import RunResult as RunResult
from rayexec.execute import cancel_run as cancel_run
from rayexec.execute import execute_in_process as execute_in_process
from rayexec.execute import execute_job as execute_job
from rayexec.execute import validate_run_config as validate_run_config
from rayexec.io.filesystem import FilesystemIOManager as FilesystemIOManager
from rayexec.io.filesystem import custom_path_fs_io_manager as custom_path_fs_io_manager
from rayexec.io.filesystem import fs_io_manager as fs_io_manager
from rayexec.io.in_memory import InMemoryIOManager as InMemoryIOManager
from rayexec.io.in_memory import mem_io_manager as mem_io_manager
from rayexec.io.local_files import FileHandle as FileHandle
from rayexec.io.local_files import LocalFileHandle as LocalFileHandle
from rayexec.io.local_files import local_file_manager as local_file_manager
from rayexec.io.parquet import ParquetIOManager as ParquetIOManager
from rayexec.job_sets.definition_set import BindResourcesToJobs as BindResourcesToJobs
from rayexec.job_sets.definition_set import Definitions as Definitions
from rayexec.job_sets.definition_set import (
    create_repository_using_definitions_args as create_repository_using_definitions_args,
)
from rayexec.job_sets.module_loading import (
    load_definitions_from_current_module as load_definitions_from_current_module,
)
from rayexec.job_sets.module_loading import (
    load_definitions_from_module as load_definitions_from_module,
)
from rayexec.job_sets.module_loading import (
    load_definitions_from_modules as load_definitions_from_modules,
)
from rayexec.job_sets.module_loading import (
    load_definitions_from_package_module as load_definitions_from_package_module,
)
from rayexec.job_sets.module_loading import (
    load_definitions_from_package_name as load_definitions_from_package_name,
)
from rayexec.job_sets.reconstructable_jobs import (
    build_reconstructable_job as build_reconstructable_job,
)
from rayexec.job_sets.reconstructable_jobs import reconstructable as reconstructable
from rayexec.job_sets.repository_decorator import repository as repository
from rayexec.job_sets.repository_definition import RepositoryData as RepositoryData
from rayexec.job_sets.repository_definition import RepositoryDefinition as RepositoryDefinition
from rayexec.jobs import Graph as Graph
from rayexec.jobs import Job as Job
from rayexec.jobs import graph as graph
from rayexec.jobs import job as job
from rayexec.launch import LaunchedRun as LaunchedRun
from rayexec.launch import launch_job as launch_job
from rayexec.run.dagster_run import DagsterRun as DagsterRun
from rayexec.run.dagster_run import DagsterRunStatus as DagsterRunStatus
from rayexec.store.directory import DirectoryRunStore as DirectoryRunStore
from rayexec.store.instance import DagsterInstance as DagsterInstance
from rayexec.store.instance import RunRecord as RunRecord
from rayexec.store.log_entries import EventLogEntry as EventLogEntry
from rayexec.store.log_entries import EventLogRecord as EventLogRecord
from rayexec.store.log_entries import EventRecordsFilter as EventRecordsFilter
from rayexec.store.log_entries import EventRecordsResult as EventRecordsResult
from rayexec.store.memory import MemoryRunStore as MemoryRunStore
from rayexec.store.runs_filter import RunsFilter as RunsFilter
from rayexec.testing.instances import instance_for_test as instance_for_test

__all__: list[str]

# Dagster's names of some of them.
DagsterEvent = Event
DagsterEventType = EventType
DagsterUserCodeExecutionError = UserCodeError
DagsterUnknownResourceError = UnknownResourceError
DagsterUnknownPartitionError = UnsupportedError
DagsterTypeCheckError = TypeCheckFunctionError
DagsterTypeCheckDidNotPass = TypeCheckError
DagsterSubprocessError = WorkerCrashedError
DagsterStepOutputNotFoundError = OutputNotFoundError
DagsterRunNotFoundError = RunNotFoundError
DagsterResourceFunctionError = ResourceError
DagsterMaxRetriesExceededError = MaxRetriesExceededError
DagsterInvariantViolationError = InvariantError
DagsterInvalidSubsetError = SelectionError
DagsterInvalidInvocationError = InvocationError
DagsterInvalidDefinitionError = DefinitionError
DagsterInvalidConfigError = ConfigError
DagsterExecutionStepNotFoundError = StepNotFoundError
DagsterExecutionStepExecutionError = StepExecutionError
DagsterExecutionLoadInputError = InputError
DagsterExecutionHandleOutputError = OutputStorageError
DagsterEventLogInvalidForRun = StoreError
DagsterError = RayexecError
DagsterLogManager = StepLog
DagsterConfigMappingFunctionError = ConfigMappingError
DagsterTypeLoaderContext = OpExecutionContext
GraphDefinition = Graph
JobDefinition = Job
DagsterInvalidConfigDefinitionError = DefinitionError
DagsterUnmetExecutorRequirementsError = EngineError
TypeCheckContext = OpExecutionContext

# Names of Dagster that only import: rayexec/definitions/stand_ins/topics.py has them by topic.
class AddDynamicPartitionsRequest(Any): ...
class AllPartitionMapping(Any): ...
class AnchorBasedFilePathMapping(Any): ...
class AssetAttributesModel(Any): ...
class AssetCheckEvaluation(Any): ...
class AssetCheckExecutionContext(Any): ...
class AssetCheckKey(Any): ...
class AssetCheckResult(Any): ...
class AssetCheckSeverity(Any): ...
class AssetCheckSpec(Any): ...
class AssetChecksDefinition(Any): ...
class AssetDep(Any): ...
class AssetExecutionContext(Any): ...
class AssetIn(Any): ...
class AssetJobKey(Any): ...
class AssetOrCheckKey(Any): ...
class AssetOut(Any): ...
class AssetPartitionStatus(Any): ...
class AssetRecordsFilter(Any): ...
class AssetSelection(Any): ...
class AssetSensorDefinition(Any): ...
class AssetSpec(Any): ...
class AssetValueLoader(Any): ...
class AssetsDefinition(Any): ...
class AutoMaterializeAssetPartitionsFilter(Any): ...
class AutoMaterializePolicy(Any): ...
class AutoMaterializeRule(Any): ...
class AutomationCondition(Any): ...
class AutomationConditionSensorDefinition(Any): ...
class AutomationContext(Any): ...
class AutomationResult(Any): ...
class BackfillPolicy(Any): ...
class CodeLocationSelector(Any): ...
class CodeReferencesMetadataValue(Any): ...
class Component(Any): ...
class ComponentFormConfig(Any): ...
class ComponentLoadContext(Any): ...
class ComponentTree(Any): ...
class ComponentTypeSpec(Any): ...
class DagsterLibraryRegistry(Any): ...
class DailyPartitionsDefinition(Any): ...
class DataProvenance(Any): ...
class DataVersion(Any): ...
class DataVersionsByPartition(Any): ...
class DefaultRunLauncher(Any): ...
class DefaultScheduleStatus(Any): ...
class DefaultSensorStatus(Any): ...
class DefinitionsComponent(Any): ...
class DefsFolderComponent(Any): ...
class DeleteDynamicPartitionsRequest(Any): ...
class DimensionPartitionMapping(Any): ...
class DynamicPartitionsDefinition(Any): ...
class EvaluateAutomationConditionsResult(Any): ...
class Executor(Any): ...
class ExecutorRequirement(Any): ...
class FilePathMapping(Any): ...
class FreshnessPolicy(Any): ...
class FunctionComponent(Any): ...
class HourlyPartitionsDefinition(Any): ...
class IdentityPartitionMapping(Any): ...
class InitExecutorContext(Any): ...
class Injected(Any): ...
class JobSelector(Any): ...
class LastPartitionMapping(Any): ...
class LegacyFreshnessPolicy(Any): ...
class LocalFileCodeReference(Any): ...
class MaterializeResult(Any): ...
class MigrateIOStorageResult(Any): ...
class Model(Any): ...
class MonthlyPartitionsDefinition(Any): ...
class MultiAssetSensorDefinition(Any): ...
class MultiAssetSensorEvaluationContext(Any): ...
class MultiPartitionKey(Any): ...
class MultiPartitionMapping(Any): ...
class MultiPartitionsDefinition(Any): ...
class MultiToSingleDimensionPartitionMapping(Any): ...
class ObserveResult(Any): ...
class PaginatedResults(Any): ...
class Partition(Any): ...
class PartitionKeyRange(Any): ...
class PartitionMapping(Any): ...
class PartitionedConfig(Any): ...
class PartitionsDefinition(Any): ...
class PipesBlobStoreMessageReader(Any): ...
class PipesClient(Any): ...
class PipesClientCompletedInvocation(Any): ...
class PipesCompositeMessageReader(Any): ...
class PipesContextInjector(Any): ...
class PipesEnvContextInjector(Any): ...
class PipesExecutionResult(Any): ...
class PipesFileContextInjector(Any): ...
class PipesFileMessageReader(Any): ...
class PipesLaunchedData(Any): ...
class PipesLogReader(Any): ...
class PipesMessageHandler(Any): ...
class PipesMessageReader(Any): ...
class PipesSession(Any): ...
class PipesSubprocessClient(Any): ...
class PipesTempFileContextInjector(Any): ...
class PipesTempFileMessageReader(Any): ...
class PythonScriptComponent(Any): ...
class QueuedRunCoordinator(Any): ...
class RepositorySelector(Any): ...
class ResolutionContext(Any): ...
class Resolvable(Any): ...
class ResolvedAssetCheckSpec(Any): ...
class ResolvedAssetKey(Any): ...
class ResolvedAssetSpec(Any): ...
class Resolver(Any): ...
class RunFailureSensorContext(Any): ...
class RunRequest(Any): ...
class RunShardedEventsCursor(Any): ...
class RunStatusChangeRecordsFilter(Any): ...
class RunStatusSensorContext(Any): ...
class RunStatusSensorDefinition(Any): ...
class ScaffoldRequest(Any): ...
class Scaffolder(Any): ...
class ScheduleDefinition(Any): ...
class ScheduleEvaluationContext(Any): ...
class SensorDefinition(Any): ...
class SensorEvaluationContext(Any): ...
class SensorResult(Any): ...
class SensorReturnTypesUnion(Any): ...
class SkipReason(Any): ...
class SourceAsset(Any): ...
class SpecificPartitionsPartitionMapping(Any): ...
class SqlComponent(Any): ...
class StateBackedComponent(Any): ...
class StaticPartitionMapping(Any): ...
class StaticPartitionsDefinition(Any): ...
class StepExecutionContext(Any): ...
class StepLauncher(Any): ...
class StepRunRef(Any): ...
class SubmitRunContext(Any): ...
class TemplatedSqlComponent(Any): ...
class TimeWindow(Any): ...
class TimeWindowPartitionMapping(Any): ...
class TimeWindowPartitionsDefinition(Any): ...
class UPathDefsStateStorage(Any): ...
class UPathIOManager(Any): ...
class UrlCodeReference(Any): ...
class UvRunComponent(Any): ...
class WeeklyPartitionsDefinition(Any): ...

apply_freshness_policy: Any
asset: Any
asset_check: Any
asset_sensor: Any
build_asset_check_context: Any
build_asset_context: Any
build_column_schema_change_checks: Any
build_component_defs: Any
build_defs_for_component: Any
build_last_update_freshness_checks: Any
build_metadata_bounds_checks: Any
build_multi_asset_sensor_context: Any
build_run_status_sensor_context: Any
build_schedule_context: Any
build_schedule_from_partitioned_job: Any
build_sensor_context: Any
build_sensor_for_freshness_checks: Any
build_time_partition_freshness_checks: Any
component_defs: Any
component_instance: Any
components: Any
daily_partitioned_config: Any
define_asset_job: Any
deserialize_value: Any
dynamic_partitioned_config: Any
evaluate_automation_conditions: Any
executor: Any
external_instance_from_step_run_ref: Any
get_all_components_defs_within_project: Any
get_component_defs_within_project: Any
graph_asset: Any
graph_multi_asset: Any
hourly_partitioned_config: Any
link_code_references_to_git: Any
load_asset_checks_from_current_module: Any
load_asset_checks_from_modules: Any
load_asset_checks_from_package_module: Any
load_asset_checks_from_package_name: Any
load_assets_from_current_module: Any
load_assets_from_modules: Any
load_assets_from_package_module: Any
load_assets_from_package_name: Any
load_defs: Any
load_from_defs_folder: Any
make_email_on_run_failure_sensor: Any
map_asset_specs: Any
materialize: Any
materialize_to_memory: Any
migrate_io_storage: Any
monthly_partitioned_config: Any
multi_asset: Any
multi_asset_check: Any
multi_asset_sensor: Any
multi_observable_source_asset: Any
multiple_process_executor_requirements: Any
observable_source_asset: Any
open_pipes_session: Any
partition_loading_context: Any
partitioned_config: Any
raise_execution_interrupts: Any
resources: Any
run_failure_sensor: Any
run_status_sensor: Any
run_step_from_ref: Any
scaffold_component: Any
scaffold_with: Any
schedule: Any
sensor: Any
serialize_value: Any
static_partitioned_config: Any
step_context_to_step_run_ref: Any
step_run_ref_to_step_context: Any
template_var: Any
weekly_partitioned_config: Any
with_resources: Any
with_source_code_references: Any
