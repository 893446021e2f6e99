"""Chromium of this machine, as the tests of pages use it."""

from __future__ import annotations

import pytest
from browser_fixtures import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.long("starts a browser")]


def test_a_page_opens_in_the_wanted_scheme_and_size(open_page: OpenPage) -> None:
    page = open_page("data:text/html,<p>there</p>", dark=True, width=375)
    assert page.inner_text("p") == "there"
    assert page.evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches")
    assert page.evaluate("() => innerWidth") == 375
