"""The one HTML page of the browser door, and its static files."""

from __future__ import annotations

import functools
import hashlib
import re
from importlib.resources import files
from pathlib import Path
from string import Template

from aiohttp import hdrs, web

from rayexec._version import __version__
from rayexec.web.session import SESSION

__all__ = ["PAGES", "page_routes"]

#: Addresses of pages, and the files that each needs at once beside those that they import.
PAGES = {
    "": ("jobs.js", "lists.css"),
    "jobs/{job}": ("job.js", "graph.css", "job.css"),
    "jobs/{job}/launch": ("launchpad.js",),
    "runs": ("runs.js",),
    "runs/compare": ("compare.js",),
    "runs/{run_id}": ("run.js", "gantt.js", "run.css"),
    "runs/{run_id}/steps/{key:.+}": ("step.js",),
    "cluster": ("cluster.js",),
    "cache": ("cache.js",),
}
_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
_IMPORT = re.compile(r'^(?:import|export)\b[^;"]*?"\./([a-z_]+\.js)";', re.MULTILINE)
_NO_PAGE = "no page"
_FILE = re.compile(r"(?:[A-Za-z0-9_-]+/)*[A-Za-z0-9_-]+(?:\.[a-z0-9]+)+\Z")


def page_routes() -> list[web.RouteDef]:
    """Return the routes of pages and static files."""
    pages = [
        web.get(f"/{path}", functools.partial(_shell, path), allow_head=False) for path in PAGES
    ]
    return [
        *pages,
        web.get("/static/{name:.+}", _static, allow_head=False),
        web.get("/{other:(?!api/|static/).+}", _no_page, allow_head=False),
    ]


async def _shell(path: str, request: web.Request) -> web.StreamResponse:
    """Answer with the page; all pages are the same but for what the browser shall load at once."""
    base = request.app[SESSION].options.base_path
    text = Template(_read("shell.html").decode()).safe_substitute(
        base=base, version=__version__, files="\n".join(_links(path, base))
    )
    return _with_tag(request, text.encode(), "text/html")


async def _no_page(request: web.Request) -> web.StreamResponse:
    """Answer with the page, whose script says that the address is none, and with status 404."""
    answer = await _shell(_NO_PAGE, request)
    if answer.status == 200:
        answer.set_status(404)
    return answer


async def _static(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    kind = _TYPES.get(Path(name).suffix)
    if kind is None or not _FILE.match(name):
        raise web.HTTPNotFound
    try:
        return _with_tag(request, _read(name), kind)
    except OSError:
        raise web.HTTPNotFound from None


@functools.cache
def _links(path: str, base: str) -> list[str]:
    """Return links to all files of a page: a browser would find them one after the other."""
    named = PAGES.get(path, ())
    modules = dict.fromkeys(["app.js", *(name for name in named if name.endswith(".js"))])
    waiting = list(modules)
    while waiting:
        for name in _IMPORT.findall(_read(waiting.pop(0)).decode()):
            if name not in modules:
                modules[name] = None
                waiting.append(name)
    styles = ["base.css", "parts.css", *(name for name in named if name.endswith(".css"))]
    return [
        *(f'<link rel="stylesheet" href="{base}static/{name}">' for name in styles),
        *(f'<link rel="modulepreload" href="{base}static/{name}">' for name in modules),
    ]


def _with_tag(request: web.Request, body: bytes, kind: str) -> web.Response:
    """Return an answer that a browser keeps, and asks about before each use."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {hdrs.ETAG: tag, hdrs.CACHE_CONTROL: "no-cache"}
    if tag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
        return web.Response(status=304, headers=headers)
    charset = None if kind.startswith(("image/", "font/")) and kind != "image/svg+xml" else "utf-8"
    return web.Response(body=body, content_type=kind, charset=charset, headers=headers)


@functools.cache
def _directory() -> Path:
    return Path(str(files("rayexec.web"))) / "static"


def _read(name: str) -> bytes:
    """Return a file of the package; it is read each time, so that its authors see their edits."""
    return (_directory() / name).read_bytes()
