"""Names for pip in all texts: the distribution is rayexec-jobs, since rayexec is not ours."""

from __future__ import annotations

import ast
import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from import_graph import modules

import rayexec
from rayexec._version import DISTRIBUTION
from rayexec.cluster.doctor import Facts, NodeFacts, examine
from rayexec.cluster.manifest import manifest
from rayexec.cluster.manifest_spec import KINDS, read_manifest_spec
from rayexec.engine.ray.driver.task_errors import refusal_in
from rayexec.engine.ray.protocol.refusals import VERSION_REFUSED
from rayexec.launch import launcher_versions

ROOT = Path(rayexec.__file__).parents[1]
# An installer, and the name behind it on its line. "pip uninstall rayexec" is advice against the
# other project.
INSTALLER = re.compile(
    r"\b(?:pip3?|uv|pipx|conda|poetry)\b[^\n]*?\b(?:install|add)\b|--pip\b|\bpip:"
)
NAME = re.compile(r"(?<![\w./@:=-])rayexec(?=$|[\s'\"`,;)\]\[=<>!~{])", re.IGNORECASE)
REQUIREMENT = re.compile(r"(?<![\w./-])rayexec(?:\[[\w,]+\])?\s*(?:[=<>!~]=|\s@\s)")
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "pyproject.toml", "mkdocs.yml")),
    ROOT / ".ci/run",
    *sorted(ROOT.glob("clusters/*")),
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("benchmarks/*")),
]


def foreign_names(text: str) -> list[str]:
    """Return the lines of a text that name the other project for an installer."""
    return [
        line.strip()
        for line in text.splitlines()
        if REQUIREMENT.search(line)
        or ((verb := INSTALLER.search(line)) and NAME.search(_arguments(line[verb.end() :])))
    ]


def _arguments(rest: str) -> str:
    """Return the arguments of an installer: what follows, up to the next clause or command."""
    return re.split(r"[.;,|&)`]\s|&&|\s(?:and|then|or)\s|rayexec [a-z]", rest, maxsplit=1)[0]


def strings_in(path: Path) -> Iterator[str]:
    """Yield the strings of a module; a gap of an f-string is an empty pair of braces."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize(
    "text",
    [
        "pip install rayexec",
        "  - pip install rayexec",
        "RUN pip install rayexec",
        "uv pip install ray==2.60.0 rayexec`; or",
        "python3 -m pip install 'ray[default]==2.60.0' rayexec",
        "rayexec job launch --pip rayexec",
        "{} -m pip install rayexec=={}",
        'runtime_env: {pip: ["rayexec==0.1.0"]}',
        "pip install 'rayexec[plot]'",
        "rayexec @ https://example.com/x.whl",
    ],
)
def test_the_search_finds_the_other_project(text: str) -> None:
    assert foreign_names(text)


@pytest.mark.parametrize(
    "text",
    [
        "pip install rayexec-jobs==0.1.0",
        "pip uninstall rayexec",
        "pip install -e . && .venv/bin/rayexec job execute",
        "pip install ./rayexec_jobs-0.1.0-py3-none-any.whl",
        "rayexec job launch --pip pandas",
    ],
)
def test_the_search_finds_nothing_else(text: str) -> None:
    assert not foreign_names(text)


def test_no_page_names_the_other_project() -> None:
    assert {
        str(path.relative_to(ROOT)): lines
        for path in PAGES
        if path.is_file() and (lines := foreign_names(path.read_text(encoding="utf-8")))
    } == {}


def test_no_string_of_the_package_names_the_other_project() -> None:
    assert {
        name: lines
        for name, path in modules().items()
        if (lines := [line for text in strings_in(path) for line in foreign_names(text)])
    } == {}


@pytest.mark.parametrize("package", ["rayexec-jobs==0.1.0", "/w/rayexec_jobs-0.1.0.whl", None])
@pytest.mark.parametrize("kind", KINDS)
def test_no_manifest_names_the_other_project(kind: str, package: str | None) -> None:
    options = {"kind": kind}
    if kind != "local":
        options |= {"home": "/mnt/x", "image": "a/b:1", "ray_version": "2.60.0"}
        options |= {} if package is None else {"package": package}
    spec, problems = read_manifest_spec(options, ("j.py", "") if "job" in kind else None)
    assert problems == []
    assert foreign_names(manifest(spec)) == []


def test_no_message_names_the_other_project(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = []
    for facts in (
        (None, "", None),
        ("0.0.9", "", None),
        (None, "ImportError: no", None),
        (None, "", "/s/rayexec/__init__.py"),
    ):
        cause = RuntimeError(VERSION_REFUSED, "node", *facts[:2], "python", facts[2])
        error = refusal_in(SimpleNamespace(cause=cause))  # type: ignore[arg-type]  # one of Ray's
        assert error is not None
        texts.append(str(error))
    monkeypatch.setenv(launcher_versions.LAUNCHED_FROM, "rayexec 0.0.9, Ray 1, Python 3.1")
    with pytest.raises(rayexec.errors.EngineError) as refused:
        launcher_versions.compare_with_launcher()
    texts.append(str(refused.value))
    here = NodeFacts("here", python="3.11.7", ray="2.60.0", rayexec="0.1.0")
    lacking = NodeFacts(
        "w", python="3.11.7", ray="2.60.0", rayexec_error="no", missing=("pyarrow",)
    )
    foreign = NodeFacts("x", python="3.11.7", ray="2.60.0", namesake="/s/rayexec/__init__.py")
    for driver in (here, lacking, foreign):
        for address in (None, "h:6379"):
            facts_of_all = Facts(
                driver, "s3://b/x", address=address, nodes=(here, lacking, foreign)
            )
            texts += [f"{each.text} {each.advice}" for each in examine(facts_of_all)]
    assert [line for text in texts for line in foreign_names(text)] == []
    assert sum(DISTRIBUTION in text for text in texts) >= 6


def test_the_installed_distribution_has_our_name() -> None:
    metadata = importlib.metadata.metadata(DISTRIBUTION)
    assert metadata["Name"] == "rayexec-jobs"
    assert metadata["Author"] == "The rayexec developers"
    assert metadata.get_all("Project-URL")
    assert metadata.get_all("Classifier")
    (script,) = importlib.metadata.distribution(DISTRIBUTION).entry_points
    assert (script.name, script.value) == ("rayexec", "rayexec.cli.main:main")
