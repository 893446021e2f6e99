"""Checks of a page by axe."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # It is installed for tests in a browser only.
    from playwright.sync_api import Page

__all__ = ["assert_accessible"]


def assert_accessible(page: Page) -> None:
    """Assert that axe finds nothing on a page."""
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    violations = Axe().run(page).response["violations"]
    found = [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in violations
        for node in each["nodes"]
    ]
    assert not found, "\n".join(found)
