"""Names of Dagster that only import: their topics, and advice for somebody who uses one."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ACTIONS", "MIXINS", "PRIVATE_PARTS", "TOPICS", "TOPIC_OF", "Topic"]


@dataclass(frozen=True, slots=True)
class Topic:
    """A part of Dagster that rayexec does not have; its names are ``listed`` with spaces."""

    #: The thing, in the plural, for messages.
    title: str
    #: What to do instead.
    advice: str
    listed: str

    @property
    def names(self) -> tuple[str, ...]:
        """Its names."""
        return tuple(self.listed.split())


TOPICS = (
    Topic(
        "assets",
        "Put the work into an op and a job, or run the asset with Dagster.",
        """
            AssetCheckEvaluation AssetCheckExecutionContext AssetCheckKey AssetCheckResult
            AssetCheckSeverity AssetCheckSpec AssetChecksDefinition AssetDep AssetExecutionContext
            AssetIn AssetJobKey AssetOrCheckKey AssetOut AssetPartitionStatus AssetSelection
            AssetSpec AssetValueLoader AssetsDefinition MaterializeResult ObserveResult
            ResolvedAssetCheckSpec ResolvedAssetKey ResolvedAssetSpec SourceAsset asset asset_check
            build_asset_check_context build_asset_context build_column_schema_change_checks
            build_metadata_bounds_checks define_asset_job graph_asset graph_multi_asset
            load_asset_checks_from_current_module load_asset_checks_from_modules
            load_asset_checks_from_package_module load_asset_checks_from_package_name
            load_assets_from_current_module load_assets_from_modules
            load_assets_from_package_module load_assets_from_package_name map_asset_specs
            materialize materialize_to_memory multi_asset multi_asset_check
            multi_observable_source_asset observable_source_asset
            AnchorBasedFilePathMapping CodeReferencesMetadataValue FilePathMapping
            LocalFileCodeReference UrlCodeReference link_code_references_to_git
            with_resources with_source_code_references DataProvenance DataVersion
            DataVersionsByPartition
        """,
    ),
    Topic(
        "partitions",
        'Run the job once for each partition, with the tag "dagster/partition": '
        "context.partition_key reads it.",
        """
            AddDynamicPartitionsRequest AllPartitionMapping BackfillPolicy
            DailyPartitionsDefinition DeleteDynamicPartitionsRequest DimensionPartitionMapping
            DynamicPartitionsDefinition HourlyPartitionsDefinition IdentityPartitionMapping
            LastPartitionMapping MonthlyPartitionsDefinition MultiPartitionKey
            MultiPartitionMapping MultiPartitionsDefinition MultiToSingleDimensionPartitionMapping
            Partition PartitionKeyRange PartitionMapping PartitionedConfig PartitionsDefinition
            SpecificPartitionsPartitionMapping StaticPartitionMapping StaticPartitionsDefinition
            TimeWindow TimeWindowPartitionMapping TimeWindowPartitionsDefinition
            WeeklyPartitionsDefinition daily_partitioned_config dynamic_partitioned_config
            hourly_partitioned_config monthly_partitioned_config partition_loading_context
            partitioned_config static_partitioned_config weekly_partitioned_config
        """,
    ),
    Topic(
        "schedules",
        "Have cron, or another scheduler, call `rayexec job execute -f FILE -j JOB`.",
        """
            DefaultScheduleStatus ScheduleDefinition ScheduleEvaluationContext
            build_schedule_context build_schedule_from_partitioned_job schedule
        """,
    ),
    Topic(
        "sensors",
        "Have a program of your own look for the change, and call "
        "`rayexec job execute -f FILE -j JOB`; for the end of a run, use a hook or the exit code.",
        """
            AssetSensorDefinition DefaultSensorStatus MultiAssetSensorDefinition
            MultiAssetSensorEvaluationContext RunFailureSensorContext RunRequest
            RunStatusSensorContext RunStatusSensorDefinition SensorDefinition
            SensorEvaluationContext SensorResult SensorReturnTypesUnion SkipReason asset_sensor
            build_multi_asset_sensor_context build_run_status_sensor_context build_sensor_context
            make_email_on_run_failure_sensor multi_asset_sensor run_failure_sensor
            run_status_sensor sensor CodeLocationSelector JobSelector RepositorySelector
        """,
    ),
    Topic(
        "automation conditions and freshness",
        "Have cron, or another scheduler, run a job.",
        """
            AutoMaterializeAssetPartitionsFilter AutoMaterializePolicy AutoMaterializeRule
            AutomationCondition AutomationConditionSensorDefinition AutomationContext
            AutomationResult EvaluateAutomationConditionsResult FreshnessPolicy
            LegacyFreshnessPolicy apply_freshness_policy build_last_update_freshness_checks
            build_sensor_for_freshness_checks build_time_partition_freshness_checks
            evaluate_automation_conditions
        """,
    ),
    Topic(
        "components",
        "Define the jobs in Python, with @op and @job.",
        """
            AssetAttributesModel Component ComponentFormConfig ComponentLoadContext ComponentTree
            ComponentTypeSpec DefinitionsComponent DefsFolderComponent FunctionComponent Injected
            Model PythonScriptComponent Resolvable ResolutionContext Resolver ScaffoldRequest
            Scaffolder SqlComponent StateBackedComponent TemplatedSqlComponent
            UPathDefsStateStorage UvRunComponent build_component_defs build_defs_for_component
            component_defs component_instance components get_all_components_defs_within_project
            get_component_defs_within_project load_defs load_from_defs_folder resources
            scaffold_component scaffold_with template_var
        """,
    ),
    Topic(
        "Pipes",
        "Start the program in an op, with subprocess.run.",
        """
            PipesBlobStoreMessageReader PipesClient PipesClientCompletedInvocation
            PipesCompositeMessageReader PipesContextInjector PipesEnvContextInjector
            PipesExecutionResult PipesFileContextInjector PipesFileMessageReader PipesLaunchedData
            PipesLogReader PipesMessageHandler PipesMessageReader PipesSession
            PipesSubprocessClient PipesTempFileContextInjector PipesTempFileMessageReader
            open_pipes_session
        """,
    ),
    Topic(
        "executors and launchers of other packages",
        "Use in_process_executor, multiprocess_executor or ray_executor.",
        """
            DefaultRunLauncher Executor ExecutorRequirement InitExecutorContext QueuedRunCoordinator
            StepExecutionContext StepLauncher StepRunRef SubmitRunContext
            executor external_instance_from_step_run_ref multiple_process_executor_requirements
            run_step_from_ref step_context_to_step_run_ref step_run_ref_to_step_context
        """,
    ),
    Topic(
        "IO managers on universal-pathlib",
        "Subclass ConfigurableIOManager, or use FilesystemIOManager with a URI as its base_dir.",
        """
            UPathIOManager
        """,
    ),
    Topic(
        "parts of Dagster's instance and storage",
        "Read runs by `rayexec run`, or by a DirectoryRunStore.",
        """
            AssetRecordsFilter DagsterLibraryRegistry MigrateIOStorageResult PaginatedResults
            RunShardedEventsCursor RunStatusChangeRecordsFilter deserialize_value
            migrate_io_storage raise_execution_interrupts serialize_value
        """,
    ),
)

#: Names of Dagster's modules with an underscore, which are no names of the package itself.
PRIVATE_PARTS = Topic(
    "private parts of Dagster",
    "Use a public name of the package instead.",
    "",
)

TOPIC_OF = {name: topic for topic in TOPICS for name in topic.names}

#: Functions that do their work when they are called: a call is a use.
_ACTIONS = """
    build_asset_check_context build_asset_context build_multi_asset_sensor_context
    build_run_status_sensor_context build_schedule_context build_sensor_context
    build_component_defs build_defs_for_component component_defs
    deserialize_value evaluate_automation_conditions external_instance_from_step_run_ref
    get_all_components_defs_within_project get_component_defs_within_project load_defs
    load_from_defs_folder materialize materialize_to_memory migrate_io_storage open_pipes_session
    partition_loading_context raise_execution_interrupts run_step_from_ref scaffold_component
    serialize_value step_context_to_step_run_ref step_run_ref_to_step_context
"""

#: Classes that share subclasses with classes of other packages, whose metaclass they must bear.
_MIXINS = """
    Component DefinitionsComponent FunctionComponent Model
    PythonScriptComponent Resolvable Scaffolder SqlComponent StateBackedComponent
    TemplatedSqlComponent UvRunComponent
"""

ACTIONS = frozenset(_ACTIONS.split())
MIXINS = frozenset(_MIXINS.split())
