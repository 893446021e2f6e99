"""The document of the API: valid, complete, and what the server does."""

from __future__ import annotations

from typing import Any

import pytest
from served_pages import ServedInThread

from rayexec.web.endpoints import endpoint_of
from rayexec.web.server import make_app, new_session
from rayexec.web.session import DoorOptions


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
