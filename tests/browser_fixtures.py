"""Fixtures for tests in a browser: Chromium, a page that must stay without errors, a server."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dev_server import DevServer

if TYPE_CHECKING:  # It is installed for tests in a browser only.
    from playwright.sync_api import Browser, ConsoleMessage, Page

_NAMES = ("chromium", "chromium-browser", "google-chrome")
# Without the flags for background work, Chromium asks hosts of its maker at each start.
_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
OpenPage = Callable[..., "Page"]

__all__ = ["OpenPage", "browser_of", "chromium", "dev_server", "open_page"]


@contextlib.contextmanager
def browser_of(*options: str) -> Iterator[Browser]:
    """Start Chromium of this machine with more options.

    Without one a test is skipped, and fails under CI=true.
    """
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        reason = f"no browser on PATH: {', '.join(_NAMES)} (apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*_OPTIONS, *options])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Chromium of this machine.

    Playwright runs a loop in this thread until the module ends; other modules have their own.
    """
    with browser_of() as browser:
        yield browser


@pytest.fixture
def open_page(chromium: Browser, dev_server: object) -> Iterator[OpenPage]:
    """Open pages in a context of their own: ``open_page(url, dark=, width=, height=)``.

    The test fails if one of them logs an error, throws one, or is refused by the page's policy.
    A test that expects some says which: ``page.expected_errors`` is a list of parts of texts.
    Pages close before the servers of ``dev_server`` end.
    """
    contexts = []
    errors: list[str] = []
    expected: list[str] = []

    def log(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            errors.append(f"{message.type}: {message.text} ({message.location})")

    def open_one(
        url: str, *, dark: bool = False, width: int = 1280, height: int = 800, reduced: bool = True
    ) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce" if reduced else "no-preference",
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", log)
        page.on("pageerror", lambda error: errors.append(f"thrown: {error}"))
        page.expected_errors = expected  # type: ignore[attr-defined]
        page.goto(url)
        return page

    yield open_one
    for context in contexts:
        context.close()
    left = [error for error in errors if not any(part in error for part in expected)]
    assert not left, "\n".join(left)


@pytest.fixture
def dev_server(tmp_path: Path) -> Iterator[Callable[..., DevServer]]:
    """Start `rayexec dev` in a process of its own: ``dev_server("-f", file, home=, cwd=)``.

    Each ends with the test, and must leave no process behind.
    """
    servers: list[DevServer] = []

    def start(*arguments: str, home: Path | None = None, cwd: Path | None = None) -> DevServer:
        server = DevServer(arguments, home or tmp_path / "home", cwd or tmp_path)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()
