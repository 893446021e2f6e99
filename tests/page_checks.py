"""Checks of pages in a browser: axe, traffic of a load, and widths."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # It is installed for tests in a browser only.
    from playwright.sync_api import Page, Response

__all__ = ["Traffic", "assert_accessible", "assert_fits"]


def assert_accessible(page: Page) -> None:
    """Hold a page against the rules of axe."""
    from axe_playwright_python.base import AXE_FILE_PATH  # type: ignore[import-untyped]

    page.evaluate(AXE_FILE_PATH.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate("() => axe.run({resultTypes: ['violations']})")
    problems = [
        f"{each['id']} ({each['impact']}): {node['target']} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]
    assert not problems, "\n".join(problems)


def assert_fits(page: Page) -> None:
    """Hold that nothing is wider than the window."""
    wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"the page is {wide} pixels wider than its window"


@dataclass
class Traffic:
    """Answers that a page got, from ``begin`` on."""

    responses: list[Response] = field(default_factory=list)

    def begin(self, page: Page) -> None:
        """Count all answers from now on."""
        page.on("response", lambda response: self.responses.append(response))

    def clear(self) -> None:
        """Count from zero again."""
        self.responses.clear()

    @property
    def size(self) -> int:
        """The bytes of all bodies, uncompressed."""
        return sum(len(response.body()) for response in self.responses)

    def statuses(self, part: str) -> set[int]:
        """Return the statuses of the answers whose addresses have ``part``."""
        return {each.status for each in self.responses if part in each.url}
