"""The document of the API: valid, complete, and what the server does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from served_pages import ServedInThread

from rayexec.web.endpoints import endpoint_of
from rayexec.web.server import make_app, new_session
from rayexec.web.session import DoorOptions

# Names of numbers with a unit, and the words one of which says it.
UNITS = {
    r"(^|_)(time|started|ended|as_of|now|newest|oldest)$": ("seconds since 1970",),
    r"(seconds|_s|duration|delay|timeout|longest|waited|^a|^b)$": ("second",),
    r"(bytes|memory)$": ("bytes",),
    r"^[xywh]$|^(width|height)$": ("pixels",),
    r"^(end_)?(line|column)$": ("from 1 on",),
}


def test_the_document_is_valid_openapi(web_client: ServedInThread) -> None:
    validator = pytest.importorskip("openapi_spec_validator")
    document = web_client.get("api/openapi.json")
    validator.validate(document)
    assert document["openapi"].startswith("3.1")


def test_the_document_has_every_endpoint_once(web_client: ServedInThread) -> None:
    app = make_app(new_session(DoorOptions()))
    found = [endpoint_of(route.handler) for route in app.router.routes()]
    endpoints = [each for each in found if each is not None]
    paths: dict[str, Any] = web_client.get("api/openapi.json")["paths"]
    documented = {(method, path) for path, item in paths.items() for method in item}
    assert len(documented) == len(endpoints) - 1  # itself
    ids = [operation["operationId"] for item in paths.values() for operation in item.values()]
    assert len(set(ids)) == len(ids)
    rows = paths["/api/runs"]["get"]["parameters"]
    assert {each["name"] for each in rows} >= {"job", "status", "before", "limit"}


def properties(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each property of each model, and each parameter of each path, with its schema."""
    for name, schema in document["components"]["schemas"].items():
        for key, field in schema.get("properties", {}).items():
            yield f"{name}.{key}", field
    for path, item in document["paths"].items():
        for operation in item.values():
            for parameter in operation["parameters"]:
                if parameter["in"] == "query":
                    yield f"{path}?{parameter['name']}", parameter["schema"]


def kinds_of(field: dict[str, Any]) -> set[str]:
    return {each.get("type", "") for each in (field, *field.get("anyOf", ()))}


def test_each_field_says_what_it_is(web_client: ServedInThread) -> None:
    document = web_client.get("api/openapi.json")
    fields = dict(properties(document))
    assert len(fields) > 250
    assert [name for name, field in fields.items() if not field.get("description")] == []
    with_examples = [name for name, field in fields.items() if field.get("examples")]
    assert len(with_examples) > 180
    assert all("summary" in each for item in document["paths"].values() for each in item.values())


def test_each_number_with_a_unit_says_it(web_client: ServedInThread) -> None:
    """Times, sizes and lengths by their names; a number of another kind is a count or an amount."""
    lacking = []
    for name, field in properties(web_client.get("api/openapi.json")):
        key = re.split(r"[.?]", name)[-1]
        said = field.get("description", "").lower()
        if not kinds_of(field) & {"number", "integer"}:
            continue
        for pattern, words in UNITS.items():
            if re.search(pattern, key) and not any(word in said for word in words):
                lacking.append(f"{name}: {said}")
    assert lacking == []


def test_examples_fit_their_fields(web_client: ServedInThread) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    document = web_client.get("api/openapi.json")
    for name, field in properties(document):
        schema = {**field, "components": document["components"]}
        for example in field.get("examples", ()):
            assert list(jsonschema.Draft202012Validator(schema).iter_errors(example)) == [], name
