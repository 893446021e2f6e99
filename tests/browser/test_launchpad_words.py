"""The editor of the Launchpad in a real browser: problems, fixes, words, and wide characters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser_fixtures import OpenPage
from dev_server import DevServer
from launchpad_page import FRAGILE, GOOD, press, ready, show, text_of, until_text

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.long("starts a browser")]

TIMEOUT_MS = 60_000
# The rectangle of a part of a painted line, by the browser's own layout.
_PAINTED = """([line, from, to]) => {
  const element = document.querySelector('.editor-layer').children[line];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  let at = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const end = at + node.length;
    if (from >= at && from <= end) range.setStart(node, from - at);
    if (to > at && to <= end) range.setEnd(node, to - at);
    at = end;
  }
  const { left, right, top, height } = range.getBoundingClientRect();
  return { left, right, y: top + height / 2 };
}"""

_MARKS = """() => [...document.querySelectorAll('.editor-squiggle')].map((mark) => {
  const { left, right } = mark.getBoundingClientRect();
  return [left, right];
})"""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    """`rayexec dev` with the jobs; each test has drafts of its own."""
    directory = tmp_path_factory.mktemp("door")
    (directory / "jobs.py").write_text(FRAGILE)
    server = DevServer(("-f", "jobs.py"), directory / "home", directory)
    yield server
    server.stop()


@pytest.fixture
def page(open_page: OpenPage, door: DevServer) -> Page:
    """The Launchpad of the job ``copy``."""
    page = open_page(door.url, width=1800)
    page.set_default_timeout(TIMEOUT_MS)
    show(page, f"{door.base}jobs/copy/launch")
    return page


def test_fixes_and_problems_are_at_their_place(page: Page) -> None:
    area = page.locator("textarea")
    line = "    config: {'😀😀': 1, rows: 3, mode: CAREFULL} # 😀\n"
    area.fill(f"ops:\n  load:\n{line}")
    press(page, "Change to CAREFUL")
    mended = line.replace("CAREFULL", "CAREFUL")
    assert until_text(page, "CAREFUL}") == f"ops:\n  load:\n{mended}"
    for text, place, words in (
        ("ops:\n  load: {\n", "3:1", "expected"),
        ("ops:\n  load:\n    config:\n      rows: 3\n      rows: 4\n", "5:7", "already"),
        # A missing key is at the key above it.
        ("ops:\n  load:\n    config:\n      deep: true\n", "3:5", "'rows' is missing"),
    ):
        area.fill(text)
        page.locator(".launch-why", has_text="1 problem:").wait_for()
        problem = page.locator(".launch-problem", has_text=words).first
        problem.wait_for()
        assert place in problem.inner_text()
        page.keyboard.press("Control+Home")
        problem.click()
        at = page.evaluate("() => { const a = document.activeElement; return a.selectionStart; }")
        row, column = map(int, place.split(":"))
        before = text[:at].split("\n")
        assert (len(before), len(before[-1]) + 1) == (row, column)


def test_words_are_explained_under_the_pointer(page: Page) -> None:
    page.locator("textarea").fill(GOOD)
    ready(page)
    painted = page.evaluate(_PAINTED, [3, 6, 10])  # "rows"
    page.mouse.move(painted["left"] + 4, painted["y"])
    page.mouse.move(painted["left"] + 6, painted["y"])
    page.locator(".editor-hover", has_text="rows: int, required").wait_for()
    page.locator(".editor-hover", has_text="Rows to load.").wait_for()
    page.mouse.move(painted["left"] + 6, painted["y"] + 300)
    page.locator(".editor-hover").wait_for(state="hidden")


_LIMITS = "execution:\n  config:\n    ray:\n      tag_concurrency_limits:\n        - key"


@pytest.mark.parametrize(
    ("job", "before", "option", "after"),
    [
        ("copy", _LIMITS[:-2], "key", _LIMITS),
        ("copy", f"{_LIMITS}: d", "database", f"{_LIMITS}: database"),
        ("copy", "execution:\n  config:\n    ra", "ray", "execution:\n  config:\n    ray"),
        ("nested", "ops:\n  middle:\n    ops:\n      fo", "follow", "      follow"),
        ("nested", "resources:\n  st", "store", "  store"),
        ("nested", "resources:\n  store:\n    config:\n      pa", "path", "      path"),
        ("copy", "ops:\n  load:\n    config:\n      mode: C", "CAREFUL", "mode: CAREFUL"),
        ("copy", "ops:\n  load:\n    config:\n      deep: t", "true", "deep: true"),
        ("copy", "ops:\n  load:\n    config:\n      rows:\n        env: PAT", "PATH", "env: PATH"),
        ("copy", "ops:\n  load:\n    config: {rows: {env: PAT", "PATH", "{rows: {env: PATH"),
    ],
)
def test_words_are_offered_where_they_fit(
    page: Page, door: DevServer, job: str, before: str, option: str, after: str
) -> None:
    show(page, f"{door.base}jobs/{job}/launch")
    page.locator("textarea").focus()
    page.evaluate("text => document.execCommand('insertText', false, text)", before[:-1])
    page.keyboard.type(before[-1])
    offered = page.locator(".editor-option", has_text=option)
    offered.first.wait_for()
    for _ in range(offered.first.evaluate("one => [...one.parentElement.children].indexOf(one)")):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert after in text_of(page)
    # Undo takes it back.
    page.keyboard.press("Control+z")
    assert text_of(page) == before


def test_wide_characters_emoji_and_tabs_have_caret_and_marks_in_place(page: Page) -> None:
    area = page.locator("textarea")
    line = "    config: {'日本語😀\t👩‍🔬é': 1, rows: x3, deep: true} # 語\t😀 end"
    area.fill(f"ops:\n  load:\n{line}\n")
    columns = {part: utf16(line[: line.index(part)]) for part in ("rows", "x3", "deep", "end")}
    page.locator(".launch-problem", has_text="x3").first.wait_for()
    # A click beside a painted character puts the caret of the text there.
    start = len("ops:\n  load:\n")
    for part, column in columns.items():
        painted = page.evaluate(_PAINTED, [2, column, column + len(part)])
        page.mouse.click(painted["left"] + 1, painted["y"])
        at = page.evaluate("() => document.querySelector('textarea').selectionStart")
        assert at - start == column, part
    # The mark of the mistake is below its characters.
    painted = page.evaluate(_PAINTED, [2, columns["x3"], columns["x3"] + 2])
    marks = page.evaluate(_MARKS)
    assert any(
        abs(left - painted["left"]) <= 1 and abs(right - painted["right"]) <= 1
        for left, right in marks
    ), (marks, painted)
    # And so is the list of completion.
    page.locator("textarea").focus()
    offset = start + columns["deep"] + len("deep: true")
    page.evaluate("at => document.querySelector('textarea').setSelectionRange(at, at)", offset)
    page.keyboard.press("Control+Space")
    page.get_by_role("option", name="true").first.wait_for()
    box = page.locator(".editor-popup").bounding_box()
    word = page.evaluate(_PAINTED, [2, columns["deep"] + 6, columns["deep"] + 10])
    assert box is not None
    assert abs(box["x"] - word["left"]) <= 12, (box, word)


def utf16(text: str) -> int:
    """Return the length of a text as browsers count it."""
    return len(text.encode("utf-16-le")) // 2


def test_a_file_opens_in_a_draft(page: Page, tmp_path: Path) -> None:
    (tmp_path / "night.yaml").write_text(GOOD)
    with page.expect_file_chooser() as chooser:
        press(page, "Open file")
    chooser.value.set_files(tmp_path / "night.yaml")
    assert until_text(page, "rows") == GOOD
    page.get_by_role("tab", name="night.yaml", selected=True).wait_for()
    ready(page)
    # One that is too large to be config is refused, and the draft stays.
    (tmp_path / "large.yaml").write_bytes(b"#" * ((1 << 20) + 1))
    with page.expect_file_chooser() as chooser:
        press(page, "Open file")
    chooser.value.set_files(tmp_path / "large.yaml")
    page.locator(".toast", has_text="more than 1 MiB").wait_for()
    assert text_of(page) == GOOD
