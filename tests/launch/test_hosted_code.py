"""Client of the child process with the user's jobs: answers, changes of files, turns."""

from __future__ import annotations

import asyncio
import itertools
import os
from pathlib import Path

import pytest
from hosted_jobs import JOBS, hosted, hosted_at, run, selected, until

from rayexec.launch.hosted_code import AskError, CodeState, NoCodeError, SupersededError
from rayexec.launch.job_file import JobSource

long = pytest.mark.long("starts several processes, one after another")


def test_jobs_are_listed_and_described(tmp_path: Path) -> None:
    async def test() -> None:
        async with hosted(tmp_path) as code:
            assert (code.state, code.is_stale, code.error) == (CodeState.READY, False, None)
            assert [(each["name"], each["ops"]) for each in code.jobs] == [("copy", 2)]
            job = await code.ask("describe", job="copy")
            load, save = job["nodes"]
            assert (load["path"], load["asks_for"], load["line"]) == ("load", "1 CPU", 7)
            assert [(key["name"], key["required"]) for key in load["config"]] == [("rows", True)]
            assert (save["config"], job["line"]) == ([], 16)
            assert await selected(code, "save") == ["save"]
            with pytest.raises(AskError, match="'nothing'") as caught:
                await selected(code, "nothing")
            assert caught.value.kind == "SelectionError"
            with pytest.raises(AskError, match=r"no job 'cpy'; it has copy\. Did you mean 'copy'"):
                await code.ask("describe", job="cpy")

    run(test)


def test_last_good_jobs_stay_until_the_file_is_mended(tmp_path: Path) -> None:
    async def test() -> None:
        changes: list[CodeState] = []
        async with hosted(tmp_path) as code:
            code.on_change = lambda: changes.append(code.state)
            with code.watching():
                (tmp_path / "jobs.py").write_text(JOBS + "\nundefined_name\n")
                await until(lambda: code.state == CodeState.FAILED)
                assert code.is_stale
                assert code.error is not None
                assert "NameError: name 'undefined_name' is not defined" in code.error.message
                assert "line 19, in <module>" in (code.error.traceback or "")
                assert [each["name"] for each in code.jobs] == ["copy"]
                assert await selected(code, "save") == ["save"]
                (tmp_path / "jobs.py").write_text(JOBS.replace("save", "store"))
                await until(lambda: code.state == CodeState.READY)
            assert not code.is_stale
            assert await selected(code, "*store") == ["load", "store"]
            assert changes == [CodeState.FAILED, CodeState.READY]
            assert code.version == 3

    run(test)


def test_without_any_good_code_a_request_gets_the_reason(tmp_path: Path) -> None:
    async def test() -> None:
        async with hosted(tmp_path, "from rayexec import job\n\n@job\ndef copy(:\n") as code:
            assert (code.state, code.is_stale, code.jobs) == (CodeState.FAILED, False, [])
            with pytest.raises(NoCodeError, match="SyntaxError"):
                await selected(code, "load")

    run(test)


PACKAGE = {
    "__init__.py": "",
    "sizes.py": "NAME = 'first'",
    "deep/__init__.py": "",
    "deep/ops.py": """
from rayexec import op
from pack.sizes import NAME

@op(name=NAME)
def load():
    return 1
""",
    "jobs.py": """
from rayexec import job
from pack.deep.ops import load

@job
def copy():
    load()
""",
}


@long
def test_a_change_in_any_module_of_a_package_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also two at once, and of the same size within one second."""
    monkeypatch.chdir(tmp_path)
    for name, text in PACKAGE.items():
        path = tmp_path / "pack" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    async def test() -> None:
        async with hosted_at(JobSource(module="pack.jobs"), tmp_path) as code:
            assert await selected(code, "*") == ["first"]
            with code.watching():
                for name in ("other", "third"):
                    version = code.version
                    (tmp_path / "pack" / "sizes.py").write_text(f"NAME = {name!r}")
                    await until(lambda version=version: code.version > version)  # type: ignore[misc]
                    assert await selected(code, "*") == [name]
                (tmp_path / "pack" / "sizes.py").write_text("NAME = 'fifth'")
                jobs = tmp_path / "pack" / "jobs.py"
                jobs.write_text(PACKAGE["jobs.py"].replace("    load()", "    load.alias('x')()"))
                await until(lambda: code.state == CodeState.READY and code.version > 3)
                assert await selected(code, "*") == ["x"]

    run(test)


@long
def test_a_module_that_disappears_and_comes_back(tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "sizes.py").write_text("ROWS = 1")
        async with hosted(tmp_path, f"import sizes\n{JOBS}") as code:
            assert code.state == CodeState.READY
            with code.watching():
                (tmp_path / "sizes.py").unlink()
                await until(lambda: code.state == CodeState.FAILED)
                assert code.error is not None
                assert "No module named 'sizes'" in code.error.message
                assert await selected(code, "save") == ["save"]
                (tmp_path / "sizes.py").write_text("ROWS = 1")
                await until(lambda: code.state == CodeState.READY)
                (tmp_path / "jobs.py").rename(tmp_path / "away.py")
                await until(lambda: code.state == CodeState.FAILED)
                assert code.is_stale
                (tmp_path / "away.py").rename(tmp_path / "jobs.py")
                await until(lambda: code.state == CodeState.READY)

    run(test)


@long
def test_a_change_during_an_import_begins_it_anew(tmp_path: Path) -> None:
    async def test() -> None:
        async with hosted(tmp_path) as code:
            with code.watching():
                (tmp_path / "jobs.py").write_text(f"import time; time.sleep(300)\n{JOBS}")
                await until(lambda: code._loading is not None)
                await asyncio.sleep(1)
                (tmp_path / "jobs.py").write_text(JOBS.replace("save", "store"))
                await until(lambda: code.version == 2)
                assert await selected(code, "store") == ["store"]

    run(test)


@pytest.mark.long("waits for looks that must not come")
def test_nobody_looks_at_files_while_nobody_watches_or_asks(tmp_path: Path) -> None:
    async def test() -> None:
        async with hosted(tmp_path) as code:
            looks = itertools.count()
            look = code.look
            code.look = lambda: (next(looks), look())[1]  # type: ignore[method-assign]
            await asyncio.sleep(1.2)
            assert next(looks) == 0
            (tmp_path / "jobs.py").write_text(JOBS.replace("save", "store"))
            await selected(code, "load")  # of the former code: the new one is about to come
            await code.settled()
            assert await selected(code, "store") == ["store"]

    run(test)


def test_the_latest_request_of_a_topic_wins(tmp_path: Path) -> None:
    async def test() -> None:
        async with hosted(tmp_path) as code:
            asked = [
                code.ask("check", topic="editor", job="copy", yaml=f"ops: {{load: {each}}}")
                for each in range(20)
            ]
            unwanted = code.ask("check", is_wanted=lambda: False, job="copy", yaml="")
            *answers, last, refused = await asyncio.gather(*asked, unwanted, return_exceptions=True)
            assert isinstance(refused, SupersededError)
            assert isinstance(last, dict)
            assert "got 19" in str(last["problems"])
            assert sum(isinstance(each, SupersededError) for each in answers) >= 18
            assert await selected(code, "save") == ["save"]

    run(test)


def test_the_child_takes_no_processor_time_while_nobody_asks(tmp_path: Path) -> None:
    async def test() -> None:
        async with hosted(tmp_path):
            guards = [pid for pid in own_children() if b"code_host" in command_of(pid)]
            assert guards
            spent = sum(map(processor_seconds, guards))
            await asyncio.sleep(2.0)
            assert sum(map(processor_seconds, guards)) - spent < 0.03

    run(test)


def own_children() -> list[str]:
    pids = [name for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if (stat := fields_of(pid)) and stat[1] == str(os.getpid())]


def command_of(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def fields_of(pid: str) -> list[str]:
    """Return the fields of a process behind its name, none if it is over."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def processor_seconds(pid: str) -> float:
    """Return the processor time of a process so far; a process that sleeps takes none."""
    fields = fields_of(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
