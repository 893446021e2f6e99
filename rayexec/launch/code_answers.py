"""Answers about the user's jobs, as the child process ``launch.code_host`` gives them.

Each public method of ``CodeAnswers`` answers one kind of request with JSON-able data.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rayexec.errors import LoadError, SelectionError
from rayexec.jobs import Job
from rayexec.launch.job_file import JobSource
from rayexec.launch.run_text import RunText
from rayexec.names import nearest

if TYPE_CHECKING:
    from rayexec.config.completion import CompletionTree
    from rayexec.config.run_config_schema import RunConfigSchema
    from rayexec.config.yaml_edit import Action
    from rayexec.launch.checked_run import CheckedRun
    from rayexec.placement.capacity import Capacity
    from rayexec.plan import Plan
    from rayexec.views.step_times import Timings

__all__ = ["CodeAnswers", "UnknownJobError", "as_capacity", "schema_of"]

_TIMINGS_LIFETIME_S = 10.0
_MOST_SCHEMAS = 50


class UnknownJobError(LoadError):
    """The source has no job of this name."""


class CodeAnswers:
    """The jobs of a source, by their attributes."""

    def __init__(self, source: JobSource, jobs: Mapping[str, Job]) -> None:
        self._source = source
        self._jobs = jobs
        self._schemas: dict[Any, RunConfigSchema] = {}
        self._trees: dict[int, CompletionTree] = {}
        self._timings_of: dict[Any, tuple[float, Timings | None]] = {}

    def jobs(self) -> list[dict[str, Any]]:
        """Return the jobs in the order of their definition."""
        return [
            {
                "name": job.name,
                "attribute": attribute,
                "description": job.description,
                "ops": _count_ops(job.graph),
            }
            for attribute, job in self._jobs.items()
        ]

    def describe(self, job: str) -> dict[str, Any]:
        """Return the outline of a job with the details of its ops."""
        from rayexec.launch.checked_run import check_run
        from rayexec.views.job_details import details_of_job

        attribute, chosen = self._find(job)
        file, line = self._line_of(attribute, chosen)
        details = details_of_job(chosen, check_run(chosen, RunText()).spec)
        return {**details, "attribute": attribute, "file": file, "line": line}

    def graph(
        self,
        job: str,
        opened: Sequence[str] | None = None,
        focus: str | None = None,
        depth: int = 1,
        selection: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Return the layout of the graph of a job; raises SelectionError."""
        from rayexec.plan import compile_job
        from rayexec.views.graph_layout import layout_of
        from rayexec.views.graph_model import graph_of_plan

        chosen = self._find(job)[1]
        plan = compile_job(chosen)
        selected = frozenset(compile_job(chosen, selection).ops_by_key) if selection else None
        layout = layout_of(
            graph_of_plan(plan), opened=opened, focus=focus, depth=depth, selected=selected
        )
        return layout.to_dict()

    def select(self, job: str, selection: Sequence[str]) -> dict[str, Any]:
        """Return the paths of the selected ops; raises SelectionError."""
        from rayexec.plan import compile_job

        plan = compile_job(self._find(job)[1], selection or None)
        return {"selected": list(plan.ops_by_key), "ops": len(plan.ops_by_key)}

    def completion(self, job: str, selection: Sequence[str] = ()) -> dict[str, Any]:
        """Return what an editor offers: keys of run config, ops, tags, pools, variables by name."""
        from rayexec.plan import compile_job

        chosen = self._find(job)[1]
        whole = compile_job(chosen)
        try:
            plan = compile_job(chosen, selection or None)
        except SelectionError:  # a check tells it
            plan = whole
        ops = whole.ops_by_key.values()
        tags = {
            *map("=".join, (chosen.run_tags or {}).items()),
            *("=".join(tag) for op in ops for tag in op.tags.items()),
        }
        return {
            "tree": self._tree(self._schema(chosen, plan)),
            "ops": list(whole.node_paths),
            "tags": sorted(tags),
            "pools": sorted({op.pool.name for op in ops if op.pool is not None}),
            "env_vars": sorted(os.environ),
        }

    def check(self, job: str, **text: Any) -> dict[str, Any]:
        """Return the mistakes of a run that is written as the fields of ``RunText``."""
        from rayexec.launch.checked_run import check_run

        chosen = self._find(job)[1]
        return self._check_document(chosen, check_run(chosen, RunText(**text)))

    def text_problems(self, yaml: str) -> dict[str, Any]:
        """Return the mistakes of a text of run config as YAML, whatever job it is for."""
        from rayexec.config.positions import YamlTextError, read_yaml_text

        try:
            read = read_yaml_text(yaml)
        except YamlTextError as error:
            placed = [each.to_dict() for each in error.problems]
            return {"problems": [{**each, "path": ".".join(each["path"])} for each in placed]}
        if read.value is None or isinstance(read.value, dict):
            return {"problems": []}
        message = f"run config is a mapping, not a {type(read.value).__name__}"
        nowhere = dict.fromkeys(("column", "end_line", "end_column", "fix"))
        return {"problems": [{"line": 1, **nowhere, "path": "", "message": message}]}

    def edit(
        self, job: str, yaml: str, action: Action, selection: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Return a text of run config after an action; see ``yaml_edit.edited``."""
        from rayexec.config.yaml_edit import edited
        from rayexec.plan import compile_job

        chosen = self._find(job)[1]
        plan = compile_job(chosen, selection or None)
        after = edited(yaml, self._schema(chosen, plan), action)
        return {
            "yaml": after.text,
            "added": [".".join(path) for path in after.added],
            "removed": [".".join(path) for path in after.removed],
        }

    def plan(
        self,
        job: str,
        capacity: Mapping[str, Any] | None = None,
        warm: str | None = None,
        coming: str | None = None,
        **text: Any,
    ) -> dict[str, Any]:
        """Return the preview of a run beside its mistakes.

        ``warm`` is the address of a Ray for a run on Ray that names no cluster; ``coming`` says
        in words which one it will be, where it is not up yet. ``capacity`` has the fields of the
        Capacity of that Ray, or of the named one.
        """
        from rayexec.launch.checked_run import check_run, on_ray_at
        from rayexec.views.plan_preview import capacity_for, preview

        chosen = self._find(job)[1]
        written = RunText(**text)
        run = check_run(chosen, written)
        document: dict[str, Any] = {"job": chosen.name}
        if run.spec is not None:
            named = written.address or written.dashboard
            address = named or (warm if run.is_on_ray else None)
            spec = run.spec if address is None else on_ray_at(address, run.spec)
            size = (
                capacity_for(spec, None)
                if capacity is None or address is None
                else as_capacity(capacity)
            )
            document = preview(spec, size, self._timings(spec.plan)).to_dict()
            if coming is not None and address is None and run.is_on_ray:
                document["execution"]["where"] = coming
        check = self._check_document(chosen, run)
        return {**document, "is_valid": run.is_valid, "check": check}

    def copy(
        self,
        job: str,
        resume_from: str | None = None,
        steps: Sequence[str] = (),
        store: str | None = None,
        **text: Any,
    ) -> dict[str, Any]:
        """Return the command and the Python that run the same; see ``launch.equivalents``."""
        from rayexec.launch.checked_run import check_run
        from rayexec.launch.equivalents import RunToCopy, command_for, python_for

        chosen = self._find(job)[1]
        written = RunText(**text)
        run = check_run(chosen, written)
        to_copy = RunToCopy(
            self._source_of(job),
            config=run.config or {},
            yaml=run.yaml_of_config(),
            selection=written.selection,
            tags=written.tags,
            max_concurrent=written.max_concurrent,
            attach=written.address,
            dashboard=written.dashboard,
            store=store,
            directory=os.getcwd(),
            resume_from=resume_from,
            steps=steps,
        )
        return {"cli": command_for(to_copy), "python": python_for(to_copy)}

    def _source_of(self, name: str) -> JobSource:
        """Return the source of one job, as commands take it."""
        attribute, job = self._find(name)
        names = [each.name for each in self._jobs.values()]
        if names.count(job.name) > 1:
            return replace(self._source, attribute=attribute)
        return replace(self._source, job=job.name)

    def launch_text(self, job: str, **text: Any) -> dict[str, Any]:
        """Return a run in the form that a launch takes, beside its mistakes."""
        import yaml

        from rayexec.launch.checked_run import check_run

        chosen = self._find(job)[1]
        source = self._source_of(job)
        run = check_run(chosen, RunText(**text))
        config = None if run.config is None else yaml.safe_dump(run.config, sort_keys=False)
        return {
            "job": source.job,
            "attribute": source.attribute,
            "config": config,
            "is_on_ray": run.is_on_ray,
            "is_valid": run.is_valid,
            "check": self._check_document(chosen, run),
        }

    def _check_document(self, job: Job, run: CheckedRun) -> dict[str, Any]:
        selected = [] if run.plan is None else list(run.plan.ops_by_key)
        return {
            "problems": run.placed_problems(),
            "missing": run.missing(),
            "unused": self._unused(job, run),
            "selected": selected,
            "ops": len(selected),
            "is_valid": run.is_valid,
        }

    def _unused(self, job: Job, run: CheckedRun) -> list[str]:
        """Return the paths in a text that are unknown or have no effect."""
        from rayexec.config.yaml_edit import unused_paths

        if run.plan is None or run.read is None:
            return []
        return [
            ".".join(path) for path in unused_paths(self._schema(job, run.plan), run.read.value)
        ]

    def _schema(self, job: Job, plan: Plan) -> RunConfigSchema:
        key = (id(job), tuple(plan.ops_by_key))
        if key not in self._schemas:
            if len(self._schemas) > _MOST_SCHEMAS:
                self._schemas.clear()
                self._trees.clear()
            self._schemas[key] = schema_of(job, plan)
        return self._schemas[key]

    def _tree(self, schema: RunConfigSchema) -> CompletionTree:
        from rayexec.config.completion import completion_tree

        if id(schema) not in self._trees:
            self._trees[id(schema)] = completion_tree(schema)
        return self._trees[id(schema)]

    def _timings(self, plan: Plan) -> Timings | None:
        """Return the timings of the last run; looks into the store once in ten seconds."""
        from rayexec.views.step_times import last_timings

        key = (plan.job_name, tuple(plan.ops_by_key))
        now = time.monotonic()
        if key not in self._timings_of or now - self._timings_of[key][0] > _TIMINGS_LIFETIME_S:
            self._timings_of[key] = now, last_timings(plan)
        return self._timings_of[key][1]

    def _find(self, name: str) -> tuple[str, Job]:
        """Return a job with its attribute, by its name or else by its attribute."""
        for attribute, job in self._jobs.items():
            if job.name == name:
                return attribute, job
        if name in self._jobs:
            return name, self._jobs[name]
        names = [job.name for job in self._jobs.values()]
        raise UnknownJobError(
            f"{self._source.container} has no job {name!r}; it has {', '.join(names)}."
            f"{nearest(name, names)}"
        )

    def _line_of(self, attribute: str, job: Job) -> tuple[str | None, int | None]:
        """Return the file and line where a job is defined."""
        from rayexec.definitions.local_modules import local_modules
        from rayexec.views.job_details import line_of_definition

        main = None if self._source.file is None else os.path.abspath(self._source.file)
        if main is None and self._source.module is not None:
            main = getattr(sys.modules.get(self._source.module), "__file__", None)
        others = [each.file for each in local_modules().values()]
        for file in dict.fromkeys([*([] if main is None else [main]), *others]):
            try:
                text = Path(file).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                continue
            if (line := line_of_definition(text, [attribute, job.name])) is not None:
                return file, line
        return main, None


def schema_of(job: Job, plan: Plan) -> RunConfigSchema:
    """Return the schema of the run config of a job for the ops of a plan."""
    from rayexec.config.run_config_schema import run_config_schema
    from rayexec.definitions.io_manager import IO_MANAGER
    from rayexec.execute.default_io_manager import default_io_manager
    from rayexec.run.used_resources import used_resources

    resources = dict(job.resource_defs)
    if IO_MANAGER not in resources:
        resources |= default_io_manager(None, job.config, in_process=False)
    needed = used_resources(plan, resources)
    return run_config_schema(job, plan.ops_by_key, plan.open_inputs, resources, needed)


def _count_ops(graph: Any) -> int:
    nodes = getattr(graph, "nodes", None)
    return 1 if nodes is None else sum(_count_ops(node.definition) for node in nodes)


def as_capacity(fields: Mapping[str, Any]) -> Capacity:
    """Return the Capacity with the fields of a JSON document; see ``launch.asked_capacity``."""
    from rayexec.placement.capacity import Capacity, NodeGroup

    groups, near = fields["groups"], fields["near"]
    return Capacity(
        **{
            **fields,
            "nodes": tuple(fields["nodes"]),
            "labels": tuple(fields["labels"]),
            "node_ids": tuple(fields["node_ids"]),
            "groups": None if groups is None else tuple(NodeGroup(**each) for each in groups),
            "near": None if near is None else frozenset(near),
        }
    )
