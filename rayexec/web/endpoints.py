"""Endpoints of the API: a function with the models of what it takes and of what it answers.

A module of ``rayexec.web.api`` lists its endpoints in ``routes(session)``, each made by ``get``,
``post`` or ``delete``. A plain function runs in a thread, so it may read files; a coroutine
function runs on the loop and must not block. Either gets a ``Call``, and returns JSON-able data
or a response. An error of rayexec becomes an answer with a status and one sentence.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from rayexec.errors import EngineError, RayexecError, RunNotFoundError, StoreError
from rayexec.strict_json import json_text
from rayexec.web.faults import report_fault
from rayexec.web.models.base import NoBody, NoQuery
from rayexec.web.session import SESSION, Session

__all__ = [
    "ApiError",
    "Call",
    "Endpoint",
    "delete",
    "endpoint_of",
    "error_answer",
    "get",
    "json_answer",
    "post",
]

Given = TypeVar("Given", bound=BaseModel)


class ApiError(Exception):
    """A mistake of a request, with the status of its answer and one sentence."""

    def __init__(
        self,
        status: int,
        message: str,
        problems: Sequence[Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.problems = status, message, problems
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Call(Generic[Given]):
    """A request: ``path`` has the variable parts of its path, ``given`` the query or the body."""

    session: Session
    request: web.Request
    path: Mapping[str, str]
    given: Given


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path of the API with its function and models; ``path`` begins behind the base path.

    ``answer`` is None for bytes. ``has_effect`` tells a request that a read-only server refuses.
    """

    method: str
    path: str
    handle: Callable[[Call[Any]], Any]
    given: type[BaseModel]
    answer: type[BaseModel] | None
    summary: str
    has_effect: bool = False

    def route(self) -> web.RouteDef:
        """Return the route for an application."""

        async def answer(request: web.Request) -> web.StreamResponse:
            return await _answered(self, request)

        answer.endpoint = self  # type: ignore[attr-defined]
        return web.route(self.method, f"/{self.path}", answer)


def get(
    path: str,
    handle: Callable[[Call[Given]], Any],
    answer: type[BaseModel] | None,
    summary: str,
    *,
    query: type[BaseModel] = NoQuery,
) -> web.RouteDef:
    """Return the route of a question, which changes nothing."""
    return Endpoint("GET", path, handle, query, answer, summary).route()


def post(
    path: str,
    handle: Callable[[Call[Given]], Any],
    answer: type[BaseModel] | None,
    summary: str,
    *,
    body: type[BaseModel] = NoBody,
    has_effect: bool = True,
) -> web.RouteDef:
    """Return the route of a request with a body; ``has_effect=False`` is for mere questions."""
    return Endpoint("POST", path, handle, body, answer, summary, has_effect).route()


def delete(
    path: str,
    handle: Callable[[Call[Given]], Any],
    answer: type[BaseModel] | None,
    summary: str,
    *,
    body: type[BaseModel] = NoBody,
) -> web.RouteDef:
    """Return the route of a removal."""
    return Endpoint("DELETE", path, handle, body, answer, summary, has_effect=True).route()


def endpoint_of(handler: Any) -> Endpoint | None:
    """Return the endpoint behind the handler of a route; None for a page or a file."""
    return getattr(handler, "endpoint", None)


async def _answered(endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
    session = request.app[SESSION]
    try:
        given = await _given(endpoint, request)
        call = Call(session, request, request.match_info, given)
        if inspect.iscoroutinefunction(endpoint.handle):
            data = await endpoint.handle(call)
        else:
            data = await session.in_thread(endpoint.handle, call)
        if isinstance(data, web.StreamResponse):
            return data
        if isinstance(data, BaseModel):
            data = data.model_dump(mode="json")
        if session.checks_answers and endpoint.answer is not None:
            endpoint.answer.model_validate(data)
        return json_answer(data)
    except ApiError as error:
        answer = error_answer(error.status, error.message, error.problems)
        answer.headers.update(error.headers)
        return answer
    except RunNotFoundError as error:
        return error_answer(404, str(error))
    except (StoreError, EngineError) as error:
        return error_answer(503, str(error))
    except RayexecError as error:
        return error_answer(422, str(error))


async def _given(endpoint: Endpoint, request: web.Request) -> BaseModel:
    """Return the query or the body, as the model of the endpoint has it."""
    try:
        if endpoint.method == "GET":
            return endpoint.given.model_validate(dict(request.query))
        return endpoint.given.model_validate_json(await request.read() or b"{}")
    except ValidationError as error:
        problems = [
            {"path": ".".join(map(str, each["loc"])), "message": each["msg"]}
            for each in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        first = problems[0]
        at = f"{first['path']}: " if first["path"] else ""
        raise ApiError(
            422, f"the request is not valid: {at}{first['message']}.", problems
        ) from None


def json_answer(data: Any, status: int = 200) -> web.Response:
    """Return JSON-able data as an answer."""
    text = json_text(data, ensure_ascii=False, separators=(",", ":"))
    body = text.encode("utf-8", "backslashreplace")  # a lone surrogate of a hostile name
    return web.Response(body=body, status=status, content_type="application/json", charset="utf-8")


def error_answer(status: int, message: str, problems: Sequence[Any] | None = None) -> web.Response:
    """Return an error as an answer."""
    body: dict[str, Any] = {"error": message}
    if problems is not None:
        body["problems"] = list(problems)
    return json_answer(body, status)


def unexpected(error: BaseException) -> web.Response:
    """Return the answer for a fault of rayexec itself; its traceback goes to this terminal."""
    report_fault(error)
    return error_answer(
        500, "rayexec made a mistake here; its terminal has the traceback, please report it."
    )
