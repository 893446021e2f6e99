"""Rules of access: each request passes here before any handler, and each answer on its way back.

The server runs code as its user, so a page of another site, another user of the machine and
another local server must not reach it. The rules, with the attacks and their tests, are in
docs/security.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import re
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from aiohttp import hdrs, web

from rayexec.names import RUN_ID
from rayexec.web.endpoints import endpoint_of, error_answer, json_answer, unexpected
from rayexec.web.peers import is_of_this_user
from rayexec.web.session import SESSION, Session

__all__ = [
    "BODY_BYTES",
    "HEADERS",
    "attachment",
    "checked_run_id",
    "cookie_name",
    "guard",
    "protect",
]

BODY_BYTES = 1024 * 1024
BODY_SECONDS = 20.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_WILDCARDS = frozenset({"0.0.0.0", "::", ""})
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_METHODS = _SAFE_METHODS | {"POST", "DELETE"}
# A name with an optional port, or an address in brackets.
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::(\d{1,5}))?\Z")
_UNSAFE_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9._-]+")

#: Headers of every answer.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
        "object-src 'none'"
    ),
    "Server": "rayexec",  # Nothing of versions.
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def cookie_name(port: int) -> str:
    """Return the name of the cookie; a browser sends cookies of a host to all of its ports."""
    return f"rayexec-{port}"


def protect(app: web.Application) -> None:
    """Add the headers to every answer of an application."""
    app.on_response_prepare.append(_add_headers)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers[hdrs.SERVER] = HEADERS[hdrs.SERVER]
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")


@web.middleware
async def guard(request: web.Request, handler: Any) -> web.StreamResponse:
    """Let a request through by the rules, and make an answer of every error."""
    session = request.app[SESSION]
    if (note := getattr(request.protocol, "request_began", None)) is not None:
        note()
    refusal = _refusal(session, request)
    if refusal is not None:
        # Who has no token holds no connection.
        if refusal.status in (401, 403, 405):
            refusal.force_close()
        return refusal
    if (note := getattr(request.protocol, "showed_token", None)) is not None:
        note()
    try:
        if request.can_read_body and request.method not in _SAFE_METHODS:
            # A body that trickles in holds its connection only for so long.
            await asyncio.wait_for(request.read(), BODY_SECONDS)
        answer: web.StreamResponse = await handler(request)
        return answer
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return plain_error(session, request, error.status)
    except (asyncio.TimeoutError, TimeoutError):
        return error_answer(408, "the body of the request did not come in time.")
    except ConnectionError:
        raise
    except Exception as error:
        return unexpected(error)


def _refusal(session: Session, request: web.Request) -> web.StreamResponse | None:
    """Return the answer to a request that breaks a rule, or that brings the token."""
    if request.method not in _METHODS:
        return error_answer(405, f"{request.method} is not among the methods of this server.")
    host = request.headers.getall(hdrs.HOST, [])
    if len(host) != 1 or not _is_our_name(session, host[0]):
        return error_answer(
            403,
            "this server does not answer under that name. If it is yours, start it with "
            "rayexec dev --allow-host NAME.",
        )
    origins = request.headers.getall(hdrs.ORIGIN, [])
    if any(not _is_our_origin(session, origin, host[0]) for origin in origins):
        return error_answer(403, "the request comes from a page of another site.")
    if not _is_from_here(request):
        return error_answer(403, "the request comes from a page of another site.")
    if "token" in request.query and request.method == "GET":
        return _exchange(session, request)
    if not _is_known(session, request):
        return _ask_for_token(session, request)
    if request.method in _SAFE_METHODS:
        return None
    return _refused_effect(session, request)


def _refused_effect(session: Session, request: web.Request) -> web.Response | None:
    if request.content_type != "application/json" or request.headers.get("X-Rayexec") != "1":
        return error_answer(
            415, "send JSON, with the headers Content-Type: application/json and X-Rayexec: 1."
        )
    if request.content_length is not None and request.content_length > BODY_BYTES:
        return error_answer(413, f"a body has at most {BODY_BYTES:,} bytes.")
    endpoint = endpoint_of(request.match_info.handler)
    if session.options.is_read_only and (endpoint is None or endpoint.has_effect):
        return error_answer(403, "this server is read-only: it was started with --read-only.")
    return None


def _name_of(authority: str) -> tuple[str, str | None] | None:
    """Return the name and the port of a Host header or an origin."""
    match = _AUTHORITY.match(authority)
    if match is None:
        return None
    return match[1].strip("[]").lower().rstrip("."), match[2]


def _is_our_name(session: Session, authority: str) -> bool:
    """Whether a Host header names this server; else a site has its own name point here."""
    parts = _name_of(authority)
    if parts is None:
        return False
    name, options = parts[0], session.options
    if name in _LOOPBACK or authority.lower() in options.allowed_hosts:
        return True
    if name in options.allowed_hosts or name == options.host:
        return True
    # Nobody's name server answers for an address.
    return options.host in _WILDCARDS and _is_address(name)


def _is_address(name: str) -> bool:
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(name)
        return True
    return False


def _is_our_origin(session: Session, origin: str, host: str) -> bool:
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https") or _name_of(parts.netloc) is None:
        return False
    if parts.path or parts.query or parts.fragment:
        return False
    # A proxy may pass its own name on as the host, so the names that the user allowed count too.
    allowed = session.options.allowed_hosts
    return parts.netloc.lower() == host.lower() or parts.netloc.lower() in allowed


def _is_from_here(request: web.Request) -> bool:
    """Whether a browser says that the request comes from this site, or from its user.

    Anybody may link to a page, and nothing else.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site in (None, "same-origin", "none"):
        return True
    return request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"


def _equal(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def _is_known(session: Session, request: web.Request) -> bool:
    """Whether a request shows the token."""
    kind, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if kind.lower() == "bearer" and _equal(given.strip(), session.token):
        return True
    return _equal(request.cookies.get(cookie_name(session.port), ""), session.token)


def _exchange(session: Session, request: web.Request) -> web.StreamResponse:
    """Take the token out of the address, and give it back as a cookie that no script reads."""
    given = request.query.get("token", "")
    if not _equal(given, session.token) and not _opens(session, request, given):
        return _ask_for_token(session, request)
    base = session.options.base_path
    path = request.rel_url.raw_path
    path = path[len(base) :] if path.startswith(base) else path
    rest = [(name, value) for name, value in request.query.items() if name != "token"]
    # Two slashes at the beginning, of either kind, would name another site.
    path = quote(path.lstrip("/\\"), safe="/%:@!$&'()*+,;=~-._[]")
    target = f"{base}{path}" + (f"?{urlencode(rest)}" if rest else "")
    answer = web.Response(status=303, headers={hdrs.LOCATION: target})
    answer.set_cookie(
        cookie_name(session.port), session.token, path=base, httponly=True, samesite="Lax"
    )
    return answer


def _opens(session: Session, request: web.Request, given: str) -> bool:
    """Whether a browser of this user opens the address that it was started with."""
    code = session.opening_code
    if code is None or not _equal(given, code) or not is_of_this_user(request.transport):
        return False
    session.opening_code = None
    return True


def _ask_for_token(session: Session, request: web.Request) -> web.Response:
    return plain_error(
        session,
        request,
        401,
        "this server needs its token: open the address that rayexec dev has printed. It ends with "
        "?token= and the token.",
    )


_SENTENCES = {
    400: "the request is not valid HTTP.",
    404: "there is no such page or file.",
    405: "this address does not take that method.",
    408: "the request did not come in time.",
    413: f"a body has at most {BODY_BYTES:,} bytes.",
    414: "the address is too long.",
    431: "the headers are too long.",
}


def plain_error(
    session: Session, request: web.Request, status: int, message: str | None = None
) -> web.Response:
    """Return an error: as JSON below ``api/``, else as plain text."""
    sentence = message or _SENTENCES.get(status, "the request cannot be answered.")
    path = request.path
    base = session.options.base_path
    below = path[len(base) :] if path.startswith(base) else path.lstrip("/")
    if below.startswith("api/"):
        return json_answer({"error": sentence}, status)
    return web.Response(text=f"{sentence[0].upper()}{sentence[1:]}\n", status=status)


def checked_run_id(run_id: str) -> str:
    """Return the id of a run from an address; raises HTTPNotFound for what is none."""
    if not RUN_ID.match(run_id):
        raise web.HTTPNotFound
    return run_id


def attachment(name: str) -> dict[str, str]:
    """Return the headers of a download, with a name that no shell or file system reads into."""
    safe = _UNSAFE_IN_FILE_NAMES.sub("_", name).lstrip(".")[:150] or "download"
    return {
        hdrs.CONTENT_DISPOSITION: f'attachment; filename="{safe}"',
        # Opened in the browser all the same, it is nobody's origin.
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
