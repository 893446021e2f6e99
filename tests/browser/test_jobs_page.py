"""The jobs of a file in a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from browser_fixtures import OpenPage
from page_checks import Traffic, assert_accessible, assert_fits
from served_pages import ServedInThread, served_in_thread

from rayexec.launch.job_file import JobSource
from rayexec.web.session import DoorOptions

pytestmark = [pytest.mark.browser, pytest.mark.long("starts a browser")]
MOST_BYTES = 150_000
MOST_REQUESTS = 20
TWO_JOBS = '''
from rayexec import job, op

@op
def one():
    return 1

@job
def nightly():
    """Load the tables."""
    one()

@job
def hello():
    one()
'''
Serve = Callable[[str], ServedInThread]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serve a file of jobs with this text; the file is ``jobs.py`` of the test's directory."""
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    with ExitStack() as stack:

        def serve_file(text: str) -> ServedInThread:
            (tmp_path / "jobs.py").write_text(text)
            options = DoorOptions(source=JobSource(tmp_path / "jobs.py"))
            return stack.enter_context(served_in_thread(options))

        yield serve_file


def address(served: ServedInThread, path: str = "/") -> str:
    return f"{served.url}{path.lstrip('/')}?token={served.token}"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [375, 1280])
def test_jobs_are_listed_with_links_to_launch_them(
    serve: Serve, open_page: OpenPage, dark: bool, width: int
) -> None:
    page = open_page(address(serve(TWO_JOBS)), dark=dark, width=width)
    page.get_by_role("link", name="nightly", exact=True).wait_for()
    assert page.locator(".job h2").all_inner_texts() == ["nightly", "hello"]
    assert "Load the tables." in page.locator(".job").first.inner_text()
    assert "never run" in page.locator(".job").first.inner_text()
    assert_fits(page)
    assert_accessible(page)
    page.get_by_role("link", name="Launch nightly").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/nightly/launch")


def test_the_only_job_is_opened_at_once(serve: Serve, open_page: OpenPage) -> None:
    page = open_page(address(serve(TWO_JOBS.partition("@job\ndef hello")[0])))
    page.wait_for_url("**/jobs/nightly")


def test_a_mistake_shows_its_traceback_and_leaves_the_last_jobs(
    serve: Serve, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(address(serve(TWO_JOBS)))
    page.get_by_role("link", name="nightly", exact=True).wait_for()
    (tmp_path / "jobs.py").write_text(f"{TWO_JOBS}\nraise ValueError('half <b>written</b>')\n")
    page.get_by_text("The file does not load").wait_for()
    alert = page.get_by_role("alert")
    assert "half <b>written</b>" in alert.inner_text()
    assert page.locator(".job h2").all_inner_texts() == ["nightly", "hello"]
    alert.get_by_text("Traceback", exact=True).click()
    assert "jobs.py" in alert.locator("pre").inner_text()
    assert_accessible(page)
    (tmp_path / "jobs.py").write_text(TWO_JOBS.replace("def hello", "def goodbye"))
    page.get_by_role("link", name="goodbye", exact=True).wait_for()
    assert page.get_by_role("alert").count() == 0


def test_a_file_without_a_job_says_so(serve: Serve, open_page: OpenPage) -> None:
    page = open_page(address(serve("import rayexec\n")))
    page.get_by_text("jobs.py").first.wait_for()
    page.locator(".empty, .load-error").wait_for()
    assert "job" in page.locator("#page").inner_text()
    assert_accessible(page)


def test_without_a_file_the_page_tells_the_command(
    open_page: OpenPage, web_client: ServedInThread
) -> None:
    page = open_page(address(web_client))
    page.get_by_text("No job file is open").wait_for()
    assert "rayexec dev -f my_job.py" in page.locator("#page").inner_text()
    assert_accessible(page)


def test_the_first_load_is_small(serve: Serve, open_page: OpenPage) -> None:
    served = serve(TWO_JOBS)
    page = open_page("about:blank")
    traffic = Traffic()
    traffic.begin(page)
    page.goto(address(served))
    page.get_by_role("link", name="nightly", exact=True).wait_for()
    page.wait_for_load_state("networkidle")
    requests = [each for each in traffic.responses if each.status == 200]
    assert len(requests) <= MOST_REQUESTS, "\n".join(each.url for each in requests)
    assert sum(len(each.body()) for each in requests) <= MOST_BYTES
