"""OpenAPI document of the API, made from the endpoints and their models."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from rayexec._version import __version__
from rayexec.web.endpoints import Call, Endpoint, get
from rayexec.web.models.base import ErrorBody, NoQuery

__all__ = ["document_of", "document_route"]

_REFERENCE = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"\{(\w+)(?::[^{}]*)?\}")
_DESCRIPTION = (
    "Runs, jobs and the cluster of one `rayexec dev`. Show the token that it prints: "
    "`Authorization: Bearer TOKEN`. A request that is no GET has JSON and the header "
    "`X-Rayexec: 1`."
)


def document_route(endpoints: Sequence[Endpoint]) -> web.RouteDef:
    """Return the route of the document on these endpoints."""
    made: list[dict[str, Any]] = []

    def answer(call: Call[NoQuery]) -> dict[str, Any]:
        if not made:
            made.append(document_of(endpoints))
        return made[0]

    return get("api/openapi.json", answer, None, "This document.")


def document_of(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Return the document."""
    inputs = {endpoint.given for endpoint in endpoints}
    answers: set[type[BaseModel]] = {ErrorBody}
    answers |= {endpoint.answer for endpoint in endpoints if endpoint.answer is not None}
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "validation") for model in sorted(inputs, key=_name_of)),
        *((model, "serialization") for model in sorted(answers, key=_name_of)),
    ]
    references, definitions = models_json_schema(models, ref_template=_REFERENCE)
    schemas = definitions.get("$defs", {})
    error = references[ErrorBody, "serialization"]
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        path = f"/{_PARAMETER.sub(lambda match: '{' + match[1] + '}', endpoint.path)}"
        given = references[endpoint.given, "validation"]
        operation: dict[str, Any] = {
            "operationId": _operation_id(endpoint),
            "summary": endpoint.summary,
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in _PARAMETER.findall(endpoint.path)
            ],
            "responses": {
                "200": _answer(endpoint, references),
                "4XX": {"description": "A mistake.", "content": _json(error)},
                "503": {"description": "Something is out of reach.", "content": _json(error)},
            },
        }
        if endpoint.method == "GET":
            operation["parameters"] += _query(_resolved(given, schemas))
        else:
            operation["parameters"].append(
                {
                    "name": "X-Rayexec",
                    "in": "header",
                    "required": True,
                    "schema": {"type": "string", "const": "1"},
                }
            )
            operation["requestBody"] = {"required": True, "content": _json(given)}
        paths.setdefault(path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "rayexec", "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": "../"}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _name_of(model: type[BaseModel]) -> str:
    return f"{model.__module__}.{model.__qualname__}"


def _operation_id(endpoint: Endpoint) -> str:
    parts = re.findall(r"\w+", _PARAMETER.sub(r"\1", endpoint.path.removeprefix("api/")))
    return "_".join([endpoint.method.lower(), *parts])


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _answer(endpoint: Endpoint, references: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": endpoint.summary}
    if endpoint.answer is not None:
        answer["content"] = _json(references[endpoint.answer, "serialization"])
    return answer


def _resolved(schema: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref", "")
    resolved: dict[str, Any] = schemas.get(reference.rpartition("/")[2], schema)
    return resolved


def _query(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the fields of a model as parameters; none of them is null, they are left out."""
    required = schema.get("required", ())
    parameters = []
    for name, field in schema.get("properties", {}).items():
        kinds = [kind for kind in field.get("anyOf", ()) if kind.get("type") != "null"]
        other = {key: value for key, value in field.items() if key not in ("anyOf", "default")}
        parameters.append(
            {
                "name": name,
                "in": "query",
                "required": name in required,
                "schema": {**other, **kinds[0]} if len(kinds) == 1 else field,
            }
        )
    return parameters
