"""Pages below docs/: code runs, config fits, commands print the output shown.

A test reads a page from top to bottom, in a directory of its own:

- ``python`` blocks run. The first line ``# jobs.py`` writes a block to that file instead, and
  ``# jobs.py, continued`` appends it there.
- ``yaml`` blocks must be YAML; the first line ``# run.yaml`` writes one to that file.
- ``console`` blocks have commands after ``$``, each followed by its output and errors together,
  with "..." for anything. ``sh`` blocks are commands without output. Commands have to succeed.
- An id of a run is any four hexadecimal digits; at its first use it means the newest run.

Blocks of Python on the pages of docs/reference are scripts of their own that end with a successful
``result``: test_readme.py runs those, and compares their YAML with the first job of the README.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from doc_pages import BLOCK, FILE, GUIDES, README, REFERENCE, ROOT

import rayexec
from rayexec.definitions.stand_ins.topics import TOPIC_OF

OTHERS = [README, *(ROOT / "docs" / name for name in ("design.md", "contributing.md"))]
PAGES = [*GUIDES, *REFERENCE, *OTHERS, *sorted((ROOT / "docs" / "internals").glob("*.md"))]
COMMANDS = [
    page for page in REFERENCE if re.search(r"^```(console|sh)$", page.read_text(), re.MULTILINE)
]
RUN = re.compile(r"\b(rayexec run (?!list)\w+) ([0-9a-f]{4})\b")
MERMAID = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN_ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")

# What stands in for a program that the machine may lack: it must be handed a file of YAML.
KUBECTL = """\
#!{python}
import sys, yaml
assert sys.argv[1:] == ["apply", "-f", "-"], sys.argv
assert list(yaml.safe_load_all(sys.stdin))
"""


class Reader:
    """Does what a page says, as a reader at a shell would."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._cwd = directory / "work"
        self._cwd.mkdir()
        (self._cwd / "docs").symlink_to(ROOT / "docs")
        programs = directory / "bin"
        programs.mkdir()
        kubectl = programs / "kubectl"
        kubectl.write_text(KUBECTL.format(python=sys.executable), encoding="utf-8")
        kubectl.chmod(0o755)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("RAY")}
        path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), kept["PATH"]])
        self._environment = kept | {
            "PATH": path,
            "HOME": str(directory),  # where the token of a cluster is kept
            "RAYEXEC_HOME": str(directory / "home"),
            "COLUMNS": "200",
        }
        self._runs: dict[str, str] = {}  # ids of the page, and of the runs that they stand for

    def read(self, language: str, text: str) -> None:
        """Do what one block says."""
        named = FILE.match(text)
        if named is not None:
            with open(self._cwd / named[1], "a" if named[2] else "w", encoding="utf-8") as file:
                file.write(text)
        if language == "yaml":
            yaml.safe_load(text)
        elif language == "console":
            for command, shown in commands(text):
                check_output(command, self.run(command), shown)
        elif language == "sh":
            self.run(text)
        elif language == "python" and named is None:
            (self._cwd / "block.py").write_text(text, encoding="utf-8")
            self.run("python block.py")
        else:
            assert named is not None, f"a block of {language!r} that nothing is done with:\n{text}"

    def run(self, command: str) -> str:
        """Run a command, which has to succeed, and return what it printed; the next one begins
        where it ended.
        """
        where = self._directory / "cwd"
        done = subprocess.run(
            [
                "bash",
                "-c",
                (
                    f"set -o pipefail\n{RUN.sub(self._of_run, command)}\ncode=$?; pwd > {where}; "
                    f"exit "
                    f"$code"
                ),
            ],
            cwd=self._cwd,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}"
        self._cwd = Path(where.read_text(encoding="utf-8").strip())
        return done.stdout

    def _of_run(self, found: re.Match[str]) -> str:
        if found[2] not in self._runs:
            records = [*(self._directory / "home" / "runs").glob("*/run.json")]
            newest = max(records, key=lambda each: each.stat().st_mtime_ns)
            assert newest.parent.name not in self._runs.values(), f"no new run for {found[2]}"
            self._runs[found[2]] = newest.parent.name
        return f"{found[1]} {self._runs[found[2]]}"


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the commands of a block, each with the lines that it is shown to print."""
    for each in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, *shown = each.splitlines()
        yield command, shown


def check_output(command: str, printed: str, shown: list[str]) -> None:
    """Compare the output with what is shown; neither spaces in rows nor the ids of runs count."""
    if not shown:
        return
    pattern = "".join(_line(each) for each in shown)
    assert re.fullmatch(pattern, "".join(f"{_plain(line)}\n" for line in printed.splitlines())), (
        f"$ {command}\nprinted:\n{printed}\nand not:\n" + "\n".join(shown)
    )


def _line(shown: str) -> str:
    if shown.strip() == "...":
        return r"(?:.*\n)*?"
    parts = [re.escape(_plain(part, strip=False)) for part in re.split(r" *\.\.\. *", shown)]
    return ".*?".join(parts).rstrip("\\ ") + r"\n"


def _plain(line: str, *, strip: bool = True) -> str:
    line = re.sub(r" +", " ", RUN_ID.sub("RUN", line))
    return line.rstrip() if strip else line


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """Someone at a shell; what the page has started is stopped at the end."""
    someone = Reader(tmp_path)
    yield someone
    for file in tmp_path.rglob("*.pid"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(file.read_text()), signal.SIGTERM)
    if (tmp_path / "home" / "cluster.json").exists():
        someone.run("rayexec cluster down")


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT).with_suffix(""))


@pytest.mark.long("runs every block and command of every page, each command a Ray of its own")
@pytest.mark.parametrize("page", [*GUIDES, *COMMANDS], ids=page_name)
def test_pages_do_what_they_say(page: Path, reader: Reader) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("```") == 2 * len(BLOCK.findall(text))
    if page.name == "clusters.md":  # its commands look at a cluster that is there, and a job
        reader.run("cp docs/examples/my_job.py . && rayexec cluster up --num-cpus 1")
    for language, block in BLOCK.findall(text):
        if page in GUIDES or language not in ("python", "yaml") or FILE.match(block):
            reader.read(language, block)


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)]+)\)", BLOCK.sub("", page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("folder", [".", "docs", "docs/reference", "docs/internals"])
def test_the_first_page_of_a_folder_has_links_to_others(folder: str) -> None:
    """Were links not recognised, the next test would check nothing."""
    page = README if folder == "." else ROOT / folder / "index.md"
    assert page in PAGES
    assert len({link.partition("#")[0] for link in links(page)} - {""}) >= 5


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        if target.suffix == ".png":
            # It is shown in one of the two modes of a reader's screen.
            assert anchor in ("", "gh-light-mode-only", "gh-dark-mode-only"), link
        else:
            assert not anchor or anchor in anchors(target), link


def test_every_page_is_in_the_site() -> None:
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in PAGES if page != README}
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert pages <= set(files_of(site["nav"]))


def files_of(nav: list[Any]) -> Iterator[str]:
    """Yield the files of the site's navigation."""
    for entry in nav:
        if isinstance(entry, str):
            yield entry
            continue
        for target in entry.values():
            if isinstance(target, str):
                yield target
            else:
                yield from files_of(target)


def test_the_readme_leads_to_every_guide_and_the_reference_to_its_pages() -> None:
    readme = README.read_text(encoding="utf-8")
    assert {page.name for page in GUIDES} <= {
        "index.md",  # for readers of the site, with the same links
        *re.findall(r"\]\(docs/(\w[\w-]*\.md)\)", readme),
    }
    index = (ROOT / "docs" / "reference" / "index.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"\]\((\w[\w-]*\.md)\)", index))
    assert {page.name for page in REFERENCE} == {"index.md", *listed}


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_a_paragraph_is_one_line(page: Path) -> None:
    """Lines of text follow a blank line, a list item or a table row, never another line of text."""
    prose = BLOCK.sub("\n", page.read_text(encoding="utf-8"))
    lines = ["", *prose.splitlines()]
    wrapped = [
        line
        for before, line in pairwise(lines)
        if line.strip() and before.strip() and not re.match(r"\s*([-|#*>:]|\d+\.|!!!)", line)
    ]
    assert wrapped == []


def test_pictures_are_of_the_diagrams_as_they_read_now() -> None:
    """Compare digests; docs/draw_diagrams.mjs draws the pictures."""
    drawn = {}
    for page in PAGES:
        for index, block in enumerate(re.findall(MERMAID, page.read_text(encoding="utf-8")), 1):
            picture = ROOT / "docs" / "images" / f"{page.stem}-{index}.svg"
            drawn[picture] = hashlib.sha256(block.encode()).hexdigest()
    assert drawn
    for picture, digest in drawn.items():
        assert digest in picture.read_text(encoding="utf-8"), f"draw {picture.name} again"


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "images").glob("*.svg")), ids=str)
def test_pictures_load_nothing(picture: Path) -> None:
    text = picture.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert "http" not in text


def test_the_api_page_has_every_public_name() -> None:
    page = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    listed = re.findall(r"^::: rayexec\.(\w+)$", page, re.MULTILINE)
    aliases = re.findall(r"^\| `(\w+)` \| \[?`", page, re.MULTILINE)
    only_import = {name for row in _rows_of_topics(page) for name in re.findall(r"`(\w+)`", row)}
    assert only_import == set(TOPIC_OF)
    assert sorted([*listed, *aliases, *only_import]) == sorted(rayexec.__all__)


def _rows_of_topics(page: str) -> list[str]:
    table = page.partition("## Names that only import")[2].partition("\n## ")[0]
    return [row.split("|")[2] for row in table.splitlines() if row.startswith("| ")]


@pytest.mark.parametrize("shown", ["one", "one\n...", "...two", "...\nthree", "one\n...\nthree"])
def test_output_that_differs_is_noticed(shown: str) -> None:
    printed = "one 1\ntwo 2\n"
    with pytest.raises(AssertionError):
        check_output("say", printed, shown.splitlines())
    check_output("say", printed, ["one ...", "two  2"])
    check_output("say", printed, ["...", "two 2"])
