"""Ray of a process: started from any thread, private, with a token, and gone with the process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rayexec.cluster import own_ray, tokens
from rayexec.errors import EngineError

PROGRAM = Path(__file__).with_name("own_ray_facts.py")
ROOT = Path(__file__).parents[2]
TIMEOUT_S = 150.0
slow = pytest.mark.long("starts Ray in a process of its own")
FORKED = "EngineError: this process ("


class Ended:
    """Program that has ended: its facts, its errors, and its home."""

    def __init__(self, home: Path, place: Path, *arguments: str) -> None:
        self.home, self.place = home, place
        (home / ".ray").mkdir(mode=0o755)
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RAY", "PYTHON"))
        } | {
            "HOME": str(home),
            "RAY_TMPDIR": str(place),
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            # An opt-out of tokens is for clusters, and not for a Ray that anybody here reaches.
            "RAY_AUTH_MODE": "disabled",
        }
        program = [sys.executable, str(PROGRAM), *arguments]
        ended = subprocess.run(
            program,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            start_new_session=True,
            check=False,
        )
        self.code, self.stderr = ended.returncode, ended.stderr
        self.facts: dict[str, Any] = dict(json.loads(line) for line in ended.stdout.splitlines())


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ended]:
    with tempfile.TemporaryDirectory(prefix="rx-", dir="/tmp") as place:
        yield Ended(tmp_path_factory.mktemp("home"), Path(place))


@slow
def test_a_ray_outlives_the_thread_of_its_first_run(ended: Ended) -> None:
    assert ended.facts["in a thread"] == "SUCCESS", ended.stderr
    assert ended.facts["again"] == "SUCCESS"
    assert ended.facts["asyncio"] == "done"
    assert ended.facts["end"] == "reached"
    assert (ended.code, ended.stderr) == (0, "")


@slow
def test_runs_from_many_threads_at_once_all_end(ended: Ended) -> None:
    assert ended.facts["at once"] == ["SUCCESS"] * 8


@slow
def test_a_local_ray_listens_on_the_loopback_interface_alone(ended: Ended) -> None:
    assert ended.facts["listening"] == []


@slow
def test_a_local_ray_asks_for_a_token_whatever_the_mode(ended: Ended) -> None:
    assert ended.facts["admitted"] is False


@slow
def test_the_first_run_makes_a_token_for_this_user_alone(ended: Ended) -> None:
    directory = ended.home / ".ray"
    assert directory.stat().st_mode & 0o777 == 0o700  # it was 0755
    assert (directory / "auth_token").stat().st_mode & 0o777 == 0o600


@slow
def test_the_files_of_a_local_ray_are_private_and_gone_with_it(ended: Ended) -> None:
    mode, directory = ended.facts["modes"]
    assert mode == "0o700"
    assert Path(directory).parent == ended.place
    assert Path(ended.facts["second directory"]).parents[2] == ended.place
    assert list(ended.place.iterdir()) == []


@slow
def test_a_run_in_a_forked_process_is_refused(ended: Ended) -> None:
    message, code = ended.facts["fork"]
    assert message.startswith(FORKED)
    assert "spawn" in message
    assert code == 7
    assert ended.facts["pool"].startswith(FORKED)


@slow
def test_a_forked_process_ends_reads_and_runs_in_process(ended: Ended) -> None:
    assert ended.facts["fork exits"] == ["exits", 7]
    assert ended.facts["fork in process"] == ["SUCCESS", 7]
    message, code = ended.facts["fork reads"]
    assert "was held by Ray" in message
    assert code == 7


@slow
def test_forks_leave_the_parents_ray_alone(ended: Ended) -> None:
    assert ended.facts["after forks"] == ["SUCCESS", "bytes"]


@slow
def test_a_ray_with_a_dead_head_is_replaced_at_once(ended: Ended) -> None:
    status, seconds = ended.facts["after a death"]
    assert status == "SUCCESS"
    assert seconds < 60
    assert ended.facts["second directory"] != ended.facts["gcs"]


KILLED = """
import os, sys
from rayexec import job, op
@op
def one(): return 1
@job
def single(): one()
single.execute(store=False)
print(os.environ["RAY_TMPDIR"], flush=True)
sys.stdin.read()
"""


@slow
def test_the_next_ray_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="rx-", dir="/tmp") as place:
        environment = {**os.environ, "RAY_TMPDIR": place, "PYTHONPATH": str(ROOT)}
        for is_killed in (True, False):
            with subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", KILLED],
                env=environment,
                cwd=tmp_path,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            ) as process:
                assert process.stdout is not None
                assert process.stdout.readline().strip() == place
                assert len(list(Path(place).iterdir())) == 1
                if is_killed:
                    process.kill()
            assert len(list(Path(place).iterdir())) == is_killed


def test_a_ray_without_tokens_is_refused_by_its_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import ray
    import ray._raylet as raylet

    monkeypatch.delattr(raylet, "AuthenticationTokenLoader")
    monkeypatch.setattr(ray, "__version__", "2.51.1")
    monkeypatch.setenv(tokens.TOKEN_PATH, str(tmp_path / "token"))
    with pytest.raises(EngineError, match=r"Ray 2\.51\.1 is too old.*2\.52 or later"):
        own_ray.start_ray()
    assert not (tmp_path / "token").exists()


def test_the_bound_of_ray_is_the_first_with_tokens() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert f'"ray[default]>={tokens.OLDEST_RAY}"' in text


def test_abandoning_nothing_changes_nothing() -> None:
    began = time.monotonic()
    assert not own_ray.abandon()
    own_ray.settle()
    assert time.monotonic() - began < 1
