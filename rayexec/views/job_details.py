"""Details of a job beside its outline: for each op its code, config, settings and request."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rayexec.definitions.environment_values import MASKED
from rayexec.definitions.graphs.job_definition import JobDefinition
from rayexec.definitions.mapping import open_schema
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.retry import RetryPolicy
from rayexec.definitions.schemas.config_types import MISSING, ConfigType, Field
from rayexec.definitions.schemas.schema import describe
from rayexec.definitions.schemas.schema_description import plain
from rayexec.definitions.schemas.schema_reading import Entry, as_type, entries
from rayexec.names import node_path
from rayexec.plan import Plan, compile_job
from rayexec.plan.model import MappedNode, Step
from rayexec.run.spec import RunSpec
from rayexec.views.job_outline import outline_of_job
from rayexec.views.plan_preview import StepPreview, capacity_for, placement_for, step_previews

__all__ = ["config_keys", "details_of_job", "line_of_definition"]


def details_of_job(job: JobDefinition, run: RunSpec | None) -> dict[str, Any]:
    """Return the outline of a job, with the details of each op at its node, as JSON-able data.

    ``run`` is a run without run config; requests and limits are those that its plan has on this
    machine. None, where the job has no such run, leaves them out.
    """
    plan = compile_job(job)
    document = outline_of_job(job, None).to_dict()
    details = _details(plan, {} if run is None else _previews(run))
    _extend(document["nodes"], "", details)
    return {**document, "ops": len(details)}


def _previews(run: RunSpec) -> dict[str, StepPreview]:
    """Return the previews of all ops of a run, by path."""
    placement = placement_for(run, capacity_for(run, None))
    steps = step_previews(run, placement)
    return {node_path(step.key): step for step in steps}


def _extend(
    nodes: list[dict[str, Any]], prefix: str, details: Mapping[str, Mapping[str, Any]]
) -> None:
    for node in nodes:
        path = f"{prefix}{node['name']}"
        node["path"] = path
        if node["kind"] == "graph":
            _extend(node["nodes"], f"{path}.", details)
        else:
            node.update(details[path])


def _details(plan: Plan, previews: Mapping[str, StepPreview]) -> dict[str, dict[str, Any]]:
    """Return the details of all ops by path."""
    details: dict[str, dict[str, Any]] = {}
    of_op: dict[int, dict[str, Any]] = {}
    nodes: list[Step | MappedNode] = [*plan.steps, *plan.mapped_nodes]
    for node in nodes:
        template = plan.templates[node.template]
        if node.template not in of_op:
            of_op[node.template] = _of_op(template.op, template.retry_policy)
        preview = previews.get(node.key)
        details[node.key] = {
            **of_op[node.template],
            "tags": dict(node.tags),
            "asks_for": None if preview is None else preview.asks_for,
            "limits": {} if preview is None else dict(preview.limits),
        }
    return details


def _of_op(op: OpDefinition, retry: RetryPolicy | None) -> dict[str, Any]:
    file, line = _code_place(op.fn)
    return {
        "pool": None if op.pool is None else op.pool.name,
        "is_cached": op.cache,
        "retry": None if retry is None else _retry(retry),
        "timeout": op.timeout,
        "file": file,
        "line": line,
        "config": config_keys(open_schema(op)),
    }


def _retry(policy: RetryPolicy) -> dict[str, Any]:
    return {
        "max_retries": policy.max_retries,
        "delay": policy.delay,
        "backoff": None if policy.backoff is None else policy.backoff.value,
    }


def _code_place(function: Any) -> tuple[str | None, int | None]:
    """Return the file and the line of a function."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return (None, None) if code is None else (code.co_filename, code.co_firstlineno)


def config_keys(schema: Any) -> list[dict[str, Any]]:
    """Return the keys of a config schema with their types, defaults and descriptions.

    A schema that is no mapping of keys has one key without a name.
    """
    if schema is None:
        return []
    config_type = as_type(schema)
    if isinstance(config_type, Field):
        config_type = as_type(config_type.config)
    keys = entries(config_type)
    if not keys:
        return [_key("", describe(schema), True, MISSING, None)]
    descriptions = _descriptions(schema, config_type)
    return [
        _key(name, describe(item.type), item.required, _default(item), descriptions.get(name))
        for name, item in keys.items()
    ]


def _key(
    name: str, kind: str, required: bool, default: object, description: str | None
) -> dict[str, Any]:
    return {
        "name": name,
        "type": kind,
        "required": required,
        "default": None if default is MISSING else default,
        "description": description,
    }


def _default(item: Entry) -> object:
    """Return a default as YAML in one line, masked where it is secret."""
    if item.default is MISSING:
        return MISSING
    if item.is_secret:
        return MASKED
    return json.dumps(plain(item.default), ensure_ascii=False, default=str)


def _descriptions(schema: Any, config_type: ConfigType) -> dict[str, str]:
    """Return the descriptions of the keys that have one."""
    fields = getattr(config_type, "fields", None) or {}
    if isinstance(fields, Mapping) and fields:
        texts = {key: getattr(each, "description", None) for key, each in fields.items()}
    else:
        model = getattr(config_type, "cls", schema)
        texts = {
            field.alias or name: field.description
            for name, field in getattr(model, "model_fields", {}).items()
        }
    return {key: text for key, text in texts.items() if isinstance(text, str)}


def line_of_definition(source: str, names: Sequence[str]) -> int | None:
    """Return the first line of a Python source that binds one of ``names`` at its top level."""
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError):
        return None
    for statement in statements:
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            if statement.name in names:
                return statement.lineno
        elif isinstance(statement, ast.Assign):
            bound = [each.id for each in statement.targets if isinstance(each, ast.Name)]
            if set(bound) & set(names):
                return statement.lineno
    return None
