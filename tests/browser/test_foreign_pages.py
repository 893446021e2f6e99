"""Pages of other sites in a real browser that has the cookie: whatever they try is refused."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from browser_fixtures import browser_of
from served_pages import ServedInThread, served_in_thread

from rayexec.launch.job_file import JobSource
from rayexec.web.endpoints import Endpoint
from rayexec.web.session import DoorOptions

if TYPE_CHECKING:  # It is installed for tests in a browser only.
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = [pytest.mark.browser, pytest.mark.long("starts a browser")]

PATIENCE_MS = 60_000
JOBS = """
from rayexec import job, op


@op
def load() -> int:
    return 1


@job
def nightly():
    load()
"""
# What a page of another origin tries against the door at ``url``; the answers that it could read.
TRY = """async ({ url, socketUrl }) => {
  const seen = {};
  const attempt = async (name, work) => {
    try {
      seen[name] = await work();
    } catch (error) {
      seen[name] = `refused: ${error.name}`;
    }
  };
  const body = JSON.stringify({ where: "in_process" });
  const launch = `${url}api/jobs/nightly/launch`;
  const options = { credentials: "include" };
  await attempt("read", async () => (await fetch(`${url}api/runs`, options)).text());
  await attempt("read without cors", async () =>
    (await fetch(`${url}api/runs`, { ...options, mode: "no-cors" })).text());
  await attempt("launch", async () => (await fetch(launch, { ...options, method: "POST", body,
    headers: { "Content-Type": "application/json", "X-Rayexec": "1" } })).text());
  await attempt("launch as a simple request", async () => (await fetch(launch, { ...options,
    method: "POST", mode: "no-cors", body, headers: { "Content-Type": "text/plain" } })).text());
  await attempt("beacon", async () => {
    navigator.sendBeacon(launch, new Blob([body], { type: "text/plain" }));
    return "";
  });
  await attempt("socket", () => new Promise((done) => {
    const socket = new WebSocket(socketUrl);
    socket.onopen = () => done("open");
    socket.onmessage = ({ data }) => done(`heard ${data}`);
    socket.onerror = () => done("refused: no handshake");
  }));
  const element = (tag, set) => new Promise((done) => {
    const made = Object.assign(document.createElement(tag), set);
    made.onload = () => done("loaded");
    made.onerror = () => done("refused: error");
    document.body.append(made);
  });
  await attempt("image", () => element("img", { src: `${url}api/runs` }));
  await attempt("script", () => element("script", { src: `${url}static/app.js`, type: "module" }));
  await attempt("classic script", () => element("script", { src: `${url}static/format.js` }));
  await attempt("style", () => element("link", { href: `${url}static/base.css`,
    rel: "stylesheet" }));
  await attempt("frame", async () => {
    const made = document.createElement("iframe");
    const loaded = new Promise((done) => { made.onload = done; });
    made.src = url;
    document.body.append(made);
    await loaded;
    return made.contentDocument ? `read ${made.contentDocument.title}` : "refused: another origin";
  });
  return seen;
}"""
FORM = """(launch) => {
  const form = Object.assign(document.createElement("form"), { method: "POST", action: launch,
    enctype: "text/plain" });
  form.append(Object.assign(document.createElement("input"),
    { name: '{"where": "in_process", "tags": {"a', value: '": "b"}}' }));
  document.body.append(form);
  form.submit();
}"""


class _Foreign(http.server.BaseHTTPRequestHandler):
    """An empty page at each address, of a server that is none of ours."""

    def do_GET(self) -> None:
        data = b"<!doctype html><title>foreign</title><body>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def foreign() -> Iterator[int]:
    """The port of another server of this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Foreign)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def resolving() -> Iterator[Browser]:
    """A browser for which names of another site are this machine, as by DNS."""
    rules = "MAP evil.example 127.0.0.1, MAP rebound.example 127.0.0.1"
    with browser_of(f"--host-resolver-rules={rules}") as browser:
        yield browser


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedInThread]:
    directory = tmp_path_factory.mktemp("visited")
    (directory / "jobs.py").write_text(JOBS)
    options = DoorOptions(source=JobSource(directory / "jobs.py"), store=str(directory / "home"))
    with served_in_thread(options) as served:
        yield served


@pytest.fixture
def visitor(resolving: Browser, door: ServedInThread) -> Iterator[BrowserContext]:
    """A browser that has opened the door, so that it has the cookie."""
    context = resolving.new_context()
    page = context.new_page()
    page.goto(f"{door.url}?token={door.token}")
    page.get_by_role("heading", name="nightly").first.wait_for(timeout=PATIENCE_MS)
    page.close()
    assert context.cookies()
    yield context
    context.close()


def visited(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url)
    assert page.title() == "foreign"
    return page


@contextlib.contextmanager
def unharmed(door: ServedInThread, handled: list[str]) -> Iterator[None]:
    """Hold that no endpoint has worked for the foreign page, and that no run came of it."""
    handled.clear()
    yield
    asked = list(handled)
    assert asked == []
    assert door.get("api/runs")["total"] == 0


@pytest.fixture
def handled(door: ServedInThread, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of the API that an endpoint has begun to answer."""
    from rayexec.web import endpoints

    paths: list[str] = []
    answered = endpoints._answered

    async def noted(endpoint: Endpoint, request: Any) -> Any:
        paths.append(request.path)
        return await answered(endpoint, request)

    monkeypatch.setattr(endpoints, "_answered", noted)
    return paths


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "evil.example"])
def test_a_page_of_another_origin_gets_nothing_and_does_nothing(
    visitor: BrowserContext,
    door: ServedInThread,
    foreign: int,
    handled: list[str],
    host: str,
) -> None:
    """Of another port, which has the same cookies; of another name; of another site."""
    with unharmed(door, handled):
        page = visited(visitor, f"http://{host}:{foreign}/")
        where = {"url": door.url, "socketUrl": f"{door.url.replace('http', 'ws', 1)}api/live"}
        seen = page.evaluate(TRY, where)
        # An opaque answer has no text, whatever the server said.
        refused = {name for name, text in seen.items() if text.startswith("refused")}
        empty = {name for name, text in seen.items() if text == ""}
        assert refused | empty == set(seen), seen
        assert "beacon" in empty
        page.evaluate(FORM, f"{door.url}api/jobs/nightly/launch")
        page.wait_for_url("**/api/jobs/nightly/launch")
        assert "error" in json.loads(page.locator("body").inner_text())
        page.close()


def test_a_link_leads_here_and_opens_a_page_that_nobody_frames(
    visitor: BrowserContext, door: ServedInThread, foreign: int
) -> None:
    """From Slack or a notebook: the cookie goes along, and nothing is left to the other page."""
    page = visited(visitor, f"http://evil.example:{foreign}/")
    page.evaluate("(url) => { window.opened = window.open(url); }", f"{door.url}runs")
    with contextlib.ExitStack() as ways:
        [other] = [each for each in visitor.pages if each is not page] or [
            visitor.wait_for_event("page")
        ]
        ways.callback(other.close)
        other.get_by_role("heading", name="Runs").wait_for()
        assert other.evaluate("() => window.opener") is None
        assert page.evaluate("() => window.opened.closed")  # cut off by its opener policy
    page.close()


def test_a_name_that_comes_to_lead_here_gets_nothing(
    visitor: BrowserContext, door: ServedInThread, handled: list[str]
) -> None:
    """DNS rebinding: the page and the door have one origin for the browser, at the door's port."""
    port = door.url.rpartition(":")[2]
    with unharmed(door, handled):
        page = visitor.new_page()
        answer = page.goto(f"http://rebound.example:{port}")
        assert answer is not None
        assert answer.status == 403
        texts = page.evaluate(
            """async () => Promise.all(["api/runs", "api/session", "static/app.js"].map(
              async (path) => (await fetch(`/${path}`)).status))"""
        )
        assert texts == [403, 403, 403]
        token = page.goto(f"http://rebound.example:{port}?token={door.token}")
        assert token is not None
        assert token.status == 403
        page.close()
