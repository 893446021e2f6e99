"""Colours of both themes in a real browser: by the system, and as the user chooses."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from browser_fixtures import OpenPage
from dev_server import DevServer

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.long("starts a browser")]

_CSS = (files("rayexec.web") / "static/base.css").read_text()
# Each token of a theme: its name, and its values in the light and the dark one.
_TOKENS = re.findall(
    r"(--[\w-]+):\s+var\(--if-light, (.+?)\)\s+var\(--if-dark, (.+?)\);\n", _CSS, re.DOTALL
)
_VALUES = """names => {
  const style = getComputedStyle(document.documentElement);
  return names.map((name) => style.getPropertyValue(name).trim().replace(/\\s+/g, " "));
}"""


def values(page: Page) -> list[str]:
    """Return the values of all tokens on a page."""
    all_values: list[str] = page.evaluate(_VALUES, [name for name, _, _ in _TOKENS])
    return all_values


def resolved(page: Page, part: int) -> list[str]:
    """Return the values of a theme, with those of tokens that they name in their places."""
    line = {name: each for name, *each in _TOKENS}["--line-strong"][part - 1]
    return [token[part].replace("var(--line-strong)", line) for token in _TOKENS]


@pytest.mark.parametrize("is_dark", [False, True])
def test_tokens_have_the_values_of_the_theme(
    open_page: OpenPage, dev_server: Callable[..., DevServer], is_dark: bool
) -> None:
    assert len(_TOKENS) >= 20
    page = open_page(dev_server().url, dark=is_dark)
    button = page.get_by_role("button", name="Theme: system")
    button.wait_for()
    light, dark = resolved(page, 1), resolved(page, 2)
    assert values(page) == (dark if is_dark else light)
    # The choice of the user counts more than the system.
    for theme, expected in (("light", light), ("dark", dark)):
        page.get_by_role("button", name="Theme:").click()
        page.get_by_role("button", name=f"Theme: {theme}").wait_for()
        assert values(page) == expected
        scheme = page.evaluate("() => getComputedStyle(document.documentElement).colorScheme")
        assert scheme == theme
    page.reload()
    page.get_by_role("button", name="Theme: dark").click()
    button.wait_for()
    assert values(page) == (dark if is_dark else light)
