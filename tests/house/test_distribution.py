"""Source distribution and wheel: their files, their metadata, and the page of the index."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

import rayexec

ROOT = Path(rayexec.__file__).parents[1]
LINK = re.compile(r"\]\(([^)\s]+)\)")

pytestmark = pytest.mark.long("builds both distributions, in environments of their own")


@dataclass(frozen=True)
class Built:
    """Both distributions, and their files by path."""

    wheel: Path
    in_wheel: set[str]
    in_source: set[str]

    def metadata(self) -> Message:
        with zipfile.ZipFile(self.wheel) as archive:
            (name,) = (each for each in self.in_wheel if each.endswith(".dist-info/METADATA"))
            return Parser().parsestr(archive.read(name).decode())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    if os.environ.get("CI") != "true":
        pytest.importorskip("build")
    directory = tmp_path_factory.mktemp("built")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", directory, ROOT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = directory.glob("rayexec_jobs-*-py3-none-any.whl")
    (source,) = directory.glob("rayexec_jobs-*.tar.gz")
    with zipfile.ZipFile(wheel) as archive, tarfile.open(source) as sources:
        in_source = {name.partition("/")[2] for name in sources.getnames()}
        yield Built(wheel, set(archive.namelist()), in_source)


def test_the_source_distribution_has_all_to_work_on_it(built: Built) -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    for name in (
        *("README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "mkdocs.yml", ".ci/run"),
        *("tests/conftest.py", "docs/tutorial.md", "docs/examples/data/flights.parquet"),
        *("clusters/aws.yaml", "benchmarks/fine.py", "rayexec/__init__.py"),
    ):
        assert name in built.in_source
    assert set(listed) - built.in_source == set()
    assert not any("__pycache__" in name for name in built.in_source)


def test_the_wheel_has_the_package_and_its_examples_alone(built: Built) -> None:
    package = ROOT / "rayexec"
    files = {
        f"rayexec/{path.relative_to(package).as_posix()}"
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    extra = {name for name in built.in_wheel - files if ".dist-info/" not in name}
    assert files <= built.in_wheel
    examples = ("flights.py", "flights.yaml", "data/airports.csv", "data/flights.parquet")
    assert extra == {f"rayexec/examples/flights/{name}" for name in examples}


def test_the_metadata_name_what_is_ours(built: Built) -> None:
    metadata = built.metadata()
    assert metadata["Name"] == "rayexec-jobs"
    assert metadata["Author"] == "The rayexec developers"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert {url.partition(",")[0] for url in metadata.get_all("Project-URL", [])} >= {
        *("Homepage", "Documentation", "Changelog", "Issues", "Source")
    }
    assert metadata["Keywords"]
    assert "Programming Language :: Python :: 3.13" in metadata.get_all("Classifier", [])
    needed = {re.split(r"[\[<>=;]", each)[0] for each in metadata.get_all("Requires-Dist", [])}
    assert {
        *("ray", "pydantic", "typer", "rich", "pyarrow", "pyyaml", "grpcio", "aiohttp")
    } <= needed


def test_all_links_of_the_page_on_the_index_are_absolute_and_lead_to_files(built: Built) -> None:
    metadata = built.metadata()
    urls = dict(each.split(", ") for each in metadata.get_all("Project-URL", []))
    raw = urls["Source"].replace("//github.com/", "//raw.githubusercontent.com/")
    links = LINK.findall(str(metadata.get_payload()))
    assert len(links) == len(LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))) > 20
    for link in [*links, urls["Documentation"], urls["Changelog"]]:
        start = next(
            start for start in (f"{urls['Source']}/blob/main/", f"{raw}/main/") if start in link
        )
        path = link.removeprefix(start).partition("#")[0]
        assert (ROOT / path).is_file(), link
        assert start.startswith(raw) == path.endswith((".svg", ".png"))


def test_an_installed_wheel_writes_out_an_example_that_runs(built: Built, tmp_path: Path) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        archive.extractall(tmp_path / "installed")
    variables = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    (tmp_path / "run.yaml").write_text("execution: {config: {in_process: }}\n")
    for arguments in (
        ["example", "flights"],
        ["job", "execute", "-f", "flights/flights.py", "-c", "run.yaml"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "rayexec", *arguments],
            cwd=tmp_path,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "report/routes.parquet").is_file()
