"""``rayexec run resume`` of a record that somebody else could have written."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_process import imports_undone
from pyarrow import fs
from typer.testing import CliRunner

from rayexec import ReexecutionOptions, job, op
from rayexec.cli.main import app
from rayexec.errors import DefinitionError
from rayexec.run.process_identity import ProcessIdentity
from rayexec.store import DirectoryRunStore, MemoryRunStore, RunRecord, is_own

JOBS = """
from pathlib import Path
from rayexec import job, op

Path(__file__).with_name("imported").touch()

@op
def fails() -> None:
    raise ValueError("not yet")

@job(config={"execution": {"config": {"in_process": {}}}})
def failing():
    fails()
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with a job's file, and a store with a failed run of it."""
    (tmp_path / "jobs.py").write_text(JOBS)
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    with imports_undone(tmp_path):
        assert invoke("job", "execute", "-f", "jobs.py", "--run-id", "r")[0] == 1
        (tmp_path / "imported").unlink()
        (tmp_path / "jobs.py").rename(tmp_path / "again.py")  # not imported in this process so far
        origin = json.loads(record_of(tmp_path).read_text())["origin"]
        change(tmp_path, origin={**origin, "file": str(tmp_path / "again.py")})
        yield tmp_path


def invoke(*arguments: str) -> tuple[int, str, str]:
    ended = CliRunner().invoke(app, arguments)
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
    return ended.exit_code, ended.stdout, ended.stderr


def record_of(home: Path) -> Path:
    return home / "home/runs/r/run.json"


def change(home: Path, **changed: Any) -> None:
    path = record_of(home)
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def by_another_user(home: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(record_of(home), 20002, 20002)


def by_anybody(home: Path) -> None:
    record_of(home).chmod(0o602)


def in_a_directory_of_anybody(home: Path) -> None:
    record_of(home).parent.parent.chmod(0o777)


def on_another_host(home: Path) -> None:
    change(home, driver={"host": "elsewhere.invalid", "pid": 1, "started": None})


def without_a_driver(home: Path) -> None:
    change(home, driver=None)


STRANGE: tuple[Callable[[Path], None], ...] = (
    by_another_user,
    by_anybody,
    in_a_directory_of_anybody,
    on_another_host,
    without_a_driver,
)


def test_one_s_own_record_names_its_file_which_is_printed_before_the_import(home: Path) -> None:
    code, _, err = invoke("run", "resume", "r")
    assert code == 1
    assert f"Importing {home / 'again.py'}, to continue run r." in err
    assert (home / "imported").exists()


@pytest.mark.parametrize("recorded", STRANGE)
def test_a_record_of_others_chooses_no_code(home: Path, recorded: Any) -> None:
    recorded(home)
    code, out, err = invoke("run", "resume", "r")
    assert (code, out) == (2, "")
    assert "nothing shows that you recorded run r on this host" in err
    assert f"-f FILE or -m MODULE (it names {home / 'again.py'})" in err
    assert not (home / "imported").exists()


@pytest.mark.parametrize("recorded", STRANGE)
def test_with_the_file_given_a_record_of_others_is_resumed(home: Path, recorded: Any) -> None:
    recorded(home)
    code, _, err = invoke("run", "resume", "r", "-f", "again.py")
    assert code == 1
    assert f"Importing {home / 'again.py'}, to continue run r." in err
    assert "ValueError: not yet" in err


def test_neither_a_module_nor_the_path_of_a_record_of_others_counts(home: Path) -> None:
    (home / "evil").mkdir()
    (home / "evil/of_the_record.py").write_text(JOBS)
    change(
        home, origin={"module": "of_the_record", "directory": str(home / "evil"), "job": "failing"}
    )
    by_anybody(home)
    code, _, err = invoke("run", "resume", "r")
    assert (code, "(it names of_the_record)" in err) == (2, True)
    code, _, err = invoke("run", "resume", "r", "-m", "of_the_record")
    assert (code, "there is no module 'of_the_record'" in err) == (2, True)
    assert not (home / "evil/imported").exists()


def test_only_a_store_of_this_machine_tells_who_wrote_a_record(home: Path) -> None:
    code, _, err = invoke("run", "resume", "r", "--store", f"file://{home / 'home'}")
    assert (code, "Importing" in err) == (1, True)
    for store, is_mine in (
        (DirectoryRunStore("bucket", fs._MockFileSystem()), False),
        (DirectoryRunStore(home / "other"), True),
        (MemoryRunStore(), True),
    ):
        store.create(RunRecord("r", "j", driver=ProcessIdentity.here())).close()
        reader = store.open("r")
        assert is_own(reader, reader.record()) == is_mine


@contextlib.contextmanager
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """Yield the address of a server that answers nothing, and what it has received."""
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    connection.settimeout(2)
                    with connection, contextlib.suppress(OSError):
                        received.append(connection.recv(65536))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}", received
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.mark.parametrize("recorded", STRANGE)
def test_a_record_of_others_chooses_no_cluster(home: Path, recorded: Any) -> None:
    with listener() as (address, received):
        origin = json.loads(record_of(home).read_text())["origin"]
        change(home, origin={**origin, "address": address})
        recorded(home)
        code, _, err = invoke("run", "resume", "r", "-f", "again.py")
        assert code == 2
        assert f"--address (it names {address}), or --address local" in err
        assert received == []


@op
def nothing() -> None:
    raise ValueError("no")


@job
def plain() -> None:
    nothing()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ray": {"runtime_env": {"pip": ["evil"]}}}, "has a runtime_env, which may run code"),
        ({"ray": {"address": "10.0.0.1:1"}}, "names the Ray at '10.0.0.1:1'"),
        ({"runtime_env": {"env_vars": {"LD_PRELOAD": "/evil.so"}}}, "has a runtime_env"),
    ],
)
def test_the_config_of_others_neither_runs_code_nor_chooses_a_cluster(
    home: Path, settings: Any, message: str
) -> None:
    change(home, job_name="plain", run_config={"execution": {"config": settings}})
    by_anybody(home)
    with pytest.raises(DefinitionError, match=message):
        plain.execute(reexecution_options=ReexecutionOptions("r"))
