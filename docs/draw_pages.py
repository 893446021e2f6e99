"""Take the pictures of the browser door's pages, from real runs of the examples on Ray.

    .venv/bin/python docs/draw_pages.py            # about a minute
    .venv/bin/python docs/draw_pages.py --same     # after a change that nobody sees

It starts ``rayexec dev`` with jobs of docs/examples, and launches runs through its API. On Ray
are one of 1,040 steps, and one whose steps wait for a limit while its picture is taken; others run
in processes of their own, and one of them fails. Each page has a light and a dark picture.
docs/images/pages.json has the files that each picture was made from, with their digest; a test
compares it with the files of now.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # It is installed for tests in a browser only.
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
FACTS = IMAGES / "pages.json"
STATIC = ROOT / "rayexec" / "web" / "static"
EXAMPLES = ROOT / "docs" / "examples"
SIZE = {"width": 1280, "height": 800}
COLOURS = 128  # of a picture; more of them make it larger, and no clearer
PATIENCE_S = 240.0  # on a busy machine
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
# The example's queries, longer and more of them, so that a picture can be taken meanwhile.
_LONGER = (("time.sleep(0.2)", "time.sleep(2.5)"), ("range(6)", "range(24)"))
_JOBS = """\
from cached_features import cached_features
from flights import flights
from flights_by_origin import flights_by_origin
from tag_limits import tag_concurrency_job

__all__ = ["cached_features", "flights", "flights_by_origin", "tag_concurrency_job"]
"""
_CONFIG = "ops:\n  clean:\n    config:\n      late_after_minutes: 30 # and not 15\n  "


class Door:
    """A running ``rayexec dev``, asked as a script does."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.base, _, self._token = url.partition("?token=")

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Return the JSON of an answer; with a body the request is a POST."""
        headers = {"Authorization": f"Bearer {self._token}"}
        data = None
        if body is not None:
            headers |= {"Content-Type": "application/json", "X-Rayexec": "1"}
            data = json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base}api/{path}", data, headers)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    def launch(self, job: str, yaml: str = "", **body: Any) -> str:
        """Start a run, on the Ray of this door unless ``where`` says otherwise; return its id."""
        given = {"yaml": yaml, "where": "ray", **body}
        run_id: str = self.ask(f"jobs/{job}/launch", given)["run_id"]
        return run_id

    def is_over(self, run_id: str) -> bool:
        return any(
            run["run_id"] == run_id and run["is_over"] for run in self.ask("runs?limit=50")["runs"]
        )

    def ended(self, run_id: str) -> str:
        """Wait for the end of a run, and return its id."""
        until(lambda: self.is_over(run_id))
        return run_id

    def has_ray(self) -> bool:
        """Whether its Ray is up; one that did not start on a busy machine is started again."""
        cluster = self.ask("session")["cluster"] or {}
        if cluster.get("error"):
            with suppress(urllib.error.HTTPError):
                self.ask("cluster/start", {})
        return bool(cluster.get("state") == "up")


def until(is_true: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {PATIENCE_S:g} s")
        time.sleep(0.1)


@contextmanager
def served_examples(directory: Path) -> Iterator[Door]:
    """Serve copies of the examples during the ``with`` block."""
    shutil.copytree(EXAMPLES, directory / "flights")
    limits = directory / "flights" / "tag_limits.py"
    text = limits.read_text(encoding="utf-8")
    for short, long in _LONGER:
        assert short in text, short
        text = text.replace(short, long)
    limits.write_text(text, encoding="utf-8")
    (directory / "flights" / "jobs.py").write_text(_JOBS, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "rayexec", "dev", "--no-open", "--port", "0", "-f", "jobs.py"],
        cwd=directory / "flights",
        env={**os.environ, "RAYEXEC_HOME": str(directory / "home"), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        found = None
        while found is None:
            line = process.stdout.readline()
            assert line, "rayexec dev printed no address"
            found = re.search(r"https?://\S+token=\S+", line)
        door = Door(found[0])
        until(lambda: bool(door.ask("jobs")["state"] == "ready"))
        yield door
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@dataclass
class Camera:
    """Takes pictures of pages, and notes which static files each page has loaded."""

    browser: Browser
    door: Door
    files: dict[str, list[str]]

    def take(self, name: str, path: str, prepare: Callable[[Page], object]) -> None:
        """Take a light and a dark picture of a page, after ``prepare`` has made it ready."""
        loaded: set[str] = set()
        for scheme in ("light", "dark"):
            context = self.browser.new_context(
                viewport=SIZE,  # type: ignore[arg-type]
                color_scheme=scheme,  # type: ignore[arg-type]
                reduced_motion="reduce",
            )
            page = context.new_page()
            page.set_default_timeout(PATIENCE_S * 1000)
            page.on("request", lambda request: loaded.add(request.url))
            page.goto(self.door.url)
            page.goto(f"{self.door.base}{path}")
            prepare(page)
            page.wait_for_timeout(400)  # fonts, and what is drawn in the next frame
            write_png(page.screenshot(), IMAGES / f"{name}-{scheme}.png")
            context.close()
        prefix = f"{self.door.base}static/"
        names = {url.removeprefix(prefix).partition("?")[0] for url in loaded if prefix in url}
        self.files[name] = sorted(names)


def write_png(picture: bytes, path: Path) -> None:
    """Write a picture with few colours."""
    from PIL import Image

    image = Image.open(io.BytesIO(picture)).convert("RGB")
    few = image.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def open_graphs(page: Page) -> None:
    page.locator(".graph-node").first.wait_for()
    page.wait_for_timeout(500)


def type_config(page: Page) -> None:
    """Type run config until completion offers the ops that are left."""
    area = page.locator("textarea")
    area.wait_for()
    page.wait_for_function("() => document.querySelector('#launch-tag-names').children.length")
    area.fill(_CONFIG)
    area.focus()
    page.keyboard.press("Control+End")
    page.keyboard.press("Control+Space")
    page.locator("[role=option]").first.wait_for()
    page.get_by_role("region", name="Plan preview").get_by_text("clean").first.wait_for()


def shown(selector: str) -> Callable[[Page], object]:
    """Return a preparation that waits for an element."""
    return lambda page: page.locator(selector).first.wait_for()


def take_pictures(camera: Camera) -> None:
    """Launch the runs, and take all pictures."""
    door = camera.door
    camera.take("launchpad", "jobs/flights/launch", type_config)
    broken = "ops: {load: {config: {directory: /mnt/flights}}}"
    here = [
        door.launch("flights", broken, where="in_process"),
        door.launch("cached_features", where="in_process"),
        door.launch("flights", where="in_process"),
    ]
    for run_id in here:
        door.ended(run_id)
    camera.take("job", "jobs/flights", open_graphs)
    until(door.has_ray)
    large = door.ended(door.launch("flights_by_origin"))
    limited = door.launch("tag_concurrency_job", tags={"team": "weather"})

    def queries_wait() -> bool:
        """Whether the picture has queries that ended, that hold their limit, and that wait."""
        with suppress(urllib.error.HTTPError):  # Before the run has recorded anything.
            now = door.ask(f"runs/{limited}/now")
            limits = {queue["limit"] for queue in now["queues"]}
            return now["ends"].get("succeeded", 0) > 4 and "database=redshift" in limits
        return False

    until(queries_wait)
    camera.take("run-now", f"runs/{limited}", shown(".now-held a"))
    camera.take("runs", "runs", shown(".table-row"))
    with suppress(urllib.error.HTTPError):  # It may be over.
        door.ask(f"runs/{limited}/cancel", {})
    camera.take("run-large", f"runs/{large}", shown(".timeline-canvas"))


def digest_of(files: list[str]) -> str:
    """Return the digest of static files, without the comments and the space in them."""
    digest = hashlib.sha256()
    for name in files:
        path = STATIC / name
        text = path.read_text(encoding="utf-8") if path.exists() else "no such file"
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        text = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
        digest.update(f"{name}\n{' '.join(text.split())}\n".encode())
    return digest.hexdigest()


def read_facts() -> dict[str, Any]:
    """Return what is recorded of each picture: its files, and their digest."""
    facts: dict[str, Any] = json.loads(FACTS.read_text(encoding="utf-8"))
    return facts


def write_facts(files: dict[str, list[str]]) -> None:
    """Record the files of each picture with their digest of now."""
    facts = {
        name: {"digest": digest_of(names), "files": names} for name, names in sorted(files.items())
    }
    FACTS.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def outdated_pictures() -> list[str]:
    """Return the names of pictures whose files have changed since."""
    return [
        name for name, facts in read_facts().items() if digest_of(facts["files"]) != facts["digest"]
    ]


def draw() -> None:
    """Take all pictures anew."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    files: dict[str, list[str]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="rayexec-pictures-") as directory,
        served_examples(Path(directory)) as door,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=path, args=list(_OPTIONS))
        take_pictures(Camera(browser, door, files))
        browser.close()
    write_facts(files)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--same", action="store_true", help="the pictures still show the pages; take none"
    )
    if parser.parse_args().same:
        write_facts({name: facts["files"] for name, facts in read_facts().items()})
    else:
        draw()
