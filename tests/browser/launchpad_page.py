"""Actions of tests on the page of the Launchpad, and a job that fails as its config says."""

from __future__ import annotations

import time
from typing import Any

from launchpad_jobs import JOBS

__all__ = [
    "FRAGILE",
    "GOOD",
    "copied_by",
    "launch",
    "press",
    "ready",
    "report",
    "show",
    "text_of",
    "until_text",
]

GOOD = "ops:\n  load:\n    config:\n      rows: 3 # few\n"
_PATIENCE_S = 120
_SOURCE = JOBS.replace(
    "    #: Rows to load.\n    rows: int",
    """\
    rows: int = Field(description="Rows to load.")""",
)
FRAGILE = f"""from pydantic import Field
from rayexec import ConfigurableResource

{_SOURCE}
class Wish(Config):
    fails: bool = True


class Store(ConfigurableResource):
    path: str = "/tmp"


@op(tags={{"team": "data"}})
def begin() -> int:
    return 1


@op
def follow(config: Wish, number: int) -> int:
    if config.fails:
        raise ValueError("as it was asked")
    return number + 1


@op
def finish(number: int) -> int:
    return number


@graph
def middle(number):
    return follow(number)


@op
def stored(number: int, store: Store) -> None:
    pass


@job
def fragile():
    finish(follow(begin()))


@job(resource_defs={{"store": Store()}})
def nested():
    stored(middle(begin()))
"""


def show(page: Any, address: str) -> None:
    """Open the Launchpad at an address, and wait until it completes words."""
    page.goto(address)
    page.locator("textarea").wait_for()
    # Names of tags come with the words.
    page.locator("#launch-tag-names option").first.wait_for(state="attached")


def text_of(page: Any) -> str:
    """Return the text of the editor."""
    text: str = page.locator("textarea").input_value()
    return text


def until_text(page: Any, part: str) -> str:
    """Wait until the editor has a text, and return all of it."""
    page.wait_for_function(
        "part => document.querySelector('textarea').value.includes(part)", arg=part
    )
    return text_of(page)


def ready(page: Any) -> None:
    """Wait until the run can be launched."""
    page.locator(".launch-head .is-primary[aria-disabled=false]").wait_for()


def press(page: Any, name: str) -> None:
    """Click the button of a name."""
    page.get_by_role("button", name=name, exact=True).click()


def launch(page: Any) -> dict[str, Any]:
    """Launch what is there, and return the answer about the run when it is over."""
    ready(page)
    # The page of a run asks for its record until it is there.
    page.expected_errors.append("404")
    page.get_by_role("button", name="Launch").click()
    page.wait_for_url("**/runs/*")
    return report(page)


def report(page: Any, run_id: str | None = None) -> dict[str, Any]:
    """Return the answer about a run, that of the page without an id, once it is over."""
    base, _, end = page.url.partition("/runs/")
    address = f"{base.partition('/jobs/')[0]}/api/runs/{run_id or end.partition('?')[0]}"
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        answer = page.request.get(address)
        if answer.ok and answer.json()["is_over"]:
            document: dict[str, Any] = answer.json()
            return document
        assert time.monotonic() < deadline, answer.text()
        time.sleep(0.2)


def copied_by(page: Any, name: str, said: str) -> str:
    """Return what a button copies; ``said`` is the message behind it."""
    press(page, name)
    page.locator(".toast", has_text=said).first.wait_for()
    copied: str = page.evaluate("() => navigator.clipboard.readText()")
    return copied
