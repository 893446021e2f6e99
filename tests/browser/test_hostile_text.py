"""Hostile names, log lines, prints and config are text on every page, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import pytest
from browser_fixtures import OpenPage
from dev_server import DevServer

from rayexec import AssetKey, AssetMaterialization, MetadataValue, job, names, op
from rayexec.run.cached_outputs import CacheOrigin
from rayexec.store import DirectoryRunStore

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Page, Request

pytestmark = [pytest.mark.browser, pytest.mark.long("starts a browser")]

MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script><svg onload=alert(3)>"
#: Names of ops and mapping keys hold no dots and brackets, which have a meaning in paths.
NAME = "<img src=x onerror=alert(1)>'\"&amp;`alert(4)`"
LINK = "javascript:alert(5)//https://evil.example/<b>x</b>"
CONTROLS = (
    "\x1b]8;;javascript:alert(6)\x07link\x1b]8;;\x07\x1b[31mred\x1b[2J\x00\u202egpj.exe\ud800"
)
TEXT = f"{MARKUP} {LINK} {CONTROLS}"
RUN = "bad1"
TABS = ("timeline", "graph", "steps", "log", "config")

JOB_FILE = f'''
import re

import rayexec.names

rayexec.names.NAME = re.compile(r"[^.\\[]+\\Z")
from rayexec import Config, graph, job, op
from pydantic import Field

TEXT = {TEXT!r}


class Hostile(Config):
    """{MARKUP}"""

    rows: str = Field(TEXT.replace(chr(0xd800), ""), description=TEXT)


@op(name={NAME!r}, description=TEXT, tags={{"note": {MARKUP!r}}})
def hostile(config: Hostile):
    """{MARKUP}"""


@job(name={NAME!r}, description=TEXT, tags={{"note": {MARKUP!r}}})
def first():
    hostile()


@job(description=TEXT)
def second():
    hostile.alias("plain")()


print(TEXT.replace(chr(0xd800), ""))
'''


def record_hostile_run(home: Path, patched: pytest.MonkeyPatch) -> str:
    """Record a run that says hostile things wherever one may; return the key of its step."""
    patched.setattr(names, "NAME", re.compile(r"[^.\[]+\Z"))

    @op(name=NAME, tags={"note": MARKUP})
    def hostile(context: Any) -> None:
        context.log.warning(TEXT)
        context.log.info("<b>" * 100 + "y" * 10_000_000)
        print(TEXT)
        context.log_event(
            AssetMaterialization(
                AssetKey([MARKUP]),
                description=TEXT,
                metadata={
                    MARKUP: MetadataValue.url(LINK),
                    "md": MetadataValue.md(f"[x]({LINK}) {MARKUP}"),
                    "path": MetadataValue.path(LINK),
                },
            )
        )
        raise ValueError(TEXT)

    @job(name=NAME, config={"execution": {"config": {"in_process": {}}}})
    def failing() -> None:
        hostile()

    store = DirectoryRunStore(home)
    for run_id in (RUN, "bad2"):
        failing.execute(run_id=run_id, tags={"note": TEXT}, store=str(home), raise_on_error=False)
        path = home / "runs" / run_id / "run.json"
        record = json.loads(path.read_text())
        changed = {
            "job_name": f"job{TEXT}",
            "note": TEXT,
            "origin": {"file": TEXT, "attribute": TEXT},
            "op_selection": [TEXT],
            "versions": {TEXT: TEXT},
            "parent_run_id": TEXT,
            "run_config": {TEXT: TEXT, run_id: {"a": MARKUP}},
            "error": {"error": TEXT, "message": TEXT},
            "driver": {"host": TEXT, "pid": 1, "started": None},
        }
        path.write_text(json.dumps(record | changed))
    # A run that seems to go on, with a state that no driver wrote.
    running = json.loads((home / "runs" / RUN / "run.json").read_text())
    directory = home / "runs" / "bad3"
    directory.mkdir(0o700)
    running |= {"run_id": "bad3", "status": "STARTED", "end_time": None}
    (directory / "run.json").write_text(json.dumps(running))
    queue = {
        "reason": TEXT,
        "limit": TEXT,
        "size": 3,
        "steps": [TEXT],
        "used": 1,
        "most": 1,
        "holders": [{"key": TEXT, "seconds": 3}],
        "others": True,
        "other_runs": [{"run_id": TEXT, "job": TEXT}],
    }
    now = {
        "run_id": "bad3",
        "time": 1e9,
        "steps": 3,
        "running_count": 1,
        "ends": {TEXT: 3},
        "running": [{"key": TEXT, "node": TEXT, "seconds": 1}],
        "waiting": 3,
        "queues": [queue],
        "retries": [{"key": TEXT, "in_s": 3}],
        "slots": {"most": 1, "busy": 0, "idle": 1, "why": TEXT},
        "mapped": [{"node": TEXT, "done": 1, "total": 3, "failed": 1, "running": 1}],
    }
    (directory / "now.json").write_text(json.dumps(now))
    store.cache().begin("ab" * 32, CacheOrigin(TEXT, TEXT, TEXT, TEXT, 1.0)).commit()
    return NAME


def guarded(page: Page) -> list[str]:
    """Watch a page for what hostile text may do; return the list of what it did."""
    done: list[str] = []

    def close(dialog: Dialog) -> None:
        done.append(f"dialog {dialog.message}")
        dialog.dismiss()

    page.on("dialog", close)
    page.on("popup", lambda _: done.append("popup"))

    def look(request: Request) -> None:
        if urlsplit(request.url).hostname != "127.0.0.1":
            done.append(f"request to {request.url}")

    page.on("request", look)
    return done


def wait_for_text(page: Page, text: str) -> None:
    """Wait until a reader of the page sees a text."""
    page.wait_for_function(
        "(text) => document.querySelector('main').innerText.includes(text)", arg=text
    )


def assert_text_only(page: Page, done: list[str]) -> None:
    """Hold that no element and no link came of a text."""
    bad = page.evaluate(
        """() => [
            ...document.querySelectorAll("main img, script:not([src]), [onerror], [onload]"),
            ...[...document.querySelectorAll("[href]")].filter((link) =>
                !/^https?:$/.test(new URL(link.getAttribute("href"), location.href).protocol)),
        ].map((each) => each.outerHTML)"""
    )
    assert bad == []
    assert done == []


def test_a_store_that_others_write_shows_as_text(
    open_page: OpenPage,
    dev_server: Callable[..., DevServer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    key = record_hostile_run(home, monkeypatch)
    server = dev_server(home=home)
    page = open_page(server.url)
    done = guarded(page)
    step = f"runs/{RUN}/steps/{quote(key, safe='')}"
    places = [
        "runs",
        *(f"runs/{run}?tab={tab}" for run in (RUN, "bad3") for tab in TABS),
        step,
        f"runs/compare?a={RUN}&b=bad2",
        "cache",
        "cluster",
    ]
    for place in places:
        page.goto(f"{server.base}{place}")
        page.locator("h1").first.wait_for()
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(300)  # for scripts that would run later
        if place != "cluster" and "tab=timeline" not in place:
            wait_for_text(page, "<img src=x onerror=alert(1)>")
        if place == f"runs/{RUN}?tab=log":
            # Of 10,000,300 characters the page shows 4,000, and tells where the others are.
            cut = page.locator(".log-cut").text_content()
            assert cut == " … cut, 9,996,300 more characters; rayexec run events has all"
        assert_text_only(page, done)
    page.close()  # It would miss its server.
    assert "\x1b" not in server.output


def test_names_in_a_job_file_show_as_text(
    open_page: OpenPage, dev_server: Callable[..., DevServer], tmp_path: Path
) -> None:
    file = tmp_path / "hostile_jobs.py"
    file.write_text(JOB_FILE, encoding="utf-8")
    server = dev_server("-f", str(file))
    page = open_page(server.url)
    done = guarded(page)
    wait_for_text(page, NAME)
    assert_text_only(page, done)
    for name in (NAME, "second"):
        for place in (f"jobs/{quote(name, safe='')}", f"jobs/{quote(name, safe='')}/launch"):
            page.goto(f"{server.base}{place}")
            page.locator("h1").first.wait_for()
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(300)
            assert_text_only(page, done)
    file.write_text(f"raise ValueError({MARKUP!r})\n", encoding="utf-8")
    page.goto(server.base)
    wait_for_text(page, MARKUP)
    assert_text_only(page, done)
    page.close()
