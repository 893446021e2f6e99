"""Strangers at the door: what they may hold, read, or have others do."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from dev_processes import PATIENCE_S, until
from served_pages import ServedInThread, served_in_thread

from rayexec.events import RunStatus
from rayexec.launch.job_file import JobSource
from rayexec.store import DirectoryRunStore, RunRecord
from rayexec.testing.recorded_runs import record_large_run
from rayexec.web import connection, downloads
from rayexec.web.faults import report_fault
from rayexec.web.guard import HEADERS
from rayexec.web.server import make_app, new_session
from rayexec.web.session import DoorOptions

ROUTES = sorted(
    {
        (route.method, route.resource.canonical)
        for route in make_app(new_session(DoorOptions())).router.routes()
        if route.resource is not None
    }
)
CODE = """
from rayexec import job, op


@op
def load(rows: int) -> int:
    return rows


@job
def nightly():
    load()
"""


def port_of(client: ServedInThread) -> int:
    return urlsplit(client.url).port or 0


STRANGERS: dict[str, tuple[int, dict[str, Any]]] = {
    "no token": (401, {"Authorization": None}),
    "a wrong token": (401, {"Authorization": "Bearer wrong"}),
    "a token in another scheme": (401, {"Authorization": "Basic {token}"}),
    "a name that leads here (DNS rebinding)": (403, {"Host": "evil.example"}),
    "a proxy's word for our name": (403, {"Host": "evil.example", "X-Forwarded-Host": "localhost"}),
    "a page of another site": (403, {"Origin": "https://evil.example"}),
    "a page without an origin": (403, {"Origin": "null"}),
    "a script of another site": (403, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}),
    "a script of another port": (403, {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}),
    "an address that a proxy tells of": (
        401,
        {"Authorization": None, "X-Forwarded-For": "127.0.0.1", "X-Real-Ip": "127.0.0.1"},
    ),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_no_address_answers_a_stranger(web_client: ServedInThread, stranger: str) -> None:
    """Pages, files, the API and the live channel; each refusal has all headers and ends."""
    status, headers = STRANGERS[stranger]
    sent: dict[str, Any] = {
        name: None if value is None else value.replace("{token}", web_client.token)
        for name, value in headers.items()
    }
    assert len(ROUTES) > 30
    for method, path in ROUTES:
        answer = web_client.request(method, path, headers=sent)
        assert answer.status == status, (method, path)
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert answer.headers["Set-Cookie"] is None
        assert answer.headers["Connection"] == "close"
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


@pytest.mark.long("waits for processes for some seconds")
def test_a_body_without_a_token_is_not_taken_in(web_client: ServedInThread) -> None:
    """A stranger sends without end, and the server hangs up."""
    head = (
        f"POST /api/runs/x/cancel HTTP/1.1\r\nHost: localhost:{port_of(web_client)}\r\n"
        "Content-Type: application/json\r\nX-Rayexec: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    sent = 0
    with socket.create_connection(("127.0.0.1", port_of(web_client)), 30) as stream:
        stream.sendall(head.encode())
        with contextlib.suppress(ConnectionError):
            while sent < 4 << 30:
                stream.sendall(chunk)
                sent += len(chunk)
    assert sent < 4 << 30


def test_strangers_keep_nobody_out(
    web_client: ServedInThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are too many connections, those end that have not shown the token."""
    monkeypatch.setattr(connection, "MOST_CONNECTIONS", 3)
    with contextlib.ExitStack() as open_ones:
        for _ in range(5):
            place = ("127.0.0.1", port_of(web_client))
            open_ones.enter_context(socket.create_connection(place, 10))
        assert web_client.request("GET", "api/session").status == 200


def test_the_name_localhost_is_one_address(no_home: object) -> None:
    """It has two, and another user may listen on the other one."""
    with served_in_thread(DoorOptions(host="localhost")) as served:
        assert urlsplit(served.url).hostname in ("127.0.0.1", "::1")
        assert served.request("GET", "api/session").status == 200


def test_a_traceback_commands_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report_fault(ValueError("\x1b]0;title\x07 \x9b2J \u202egpj.exe \ud800 ä\n  next"))
    said = capsys.readouterr().err
    assert "ValueError: \\x1b]0;title\\x07 \\x9b2J \\u202egpj.exe \\ud800 ä\n  next" in said


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, no_home: object) -> Iterator[ServedInThread]:
    file = tmp_path_factory.mktemp("shared") / "shared_jobs.py"
    file.write_text(CODE)
    with served_in_thread(DoorOptions(source=JobSource(file), is_read_only=True)) as served:
        yield served


@pytest.mark.parametrize("where", ["evil.example:6379", "http://evil.example:8265", "auto"])
def test_readers_choose_no_cluster(shared: ServedInThread, where: str) -> None:
    """Who connects to one shows it a token, and executes its pickles."""
    body = {"yaml": "ops: {load: {inputs: {rows: 1}}}", "where": where}
    answer = shared.request("POST", "api/jobs/nightly/plan", body)
    assert answer.status == 403
    assert "cluster" in answer.json["error"]


@pytest.mark.parametrize("form", ["json", "pickle"])
@pytest.mark.parametrize("action", ["check", "plan"])
def test_readers_have_no_file_read(
    shared: ServedInThread, tmp_path: Path, form: str, action: str
) -> None:
    """The message on a value of the wrong type has the value."""
    file = tmp_path / "keys.json"
    file.write_text(json.dumps("a secret"))
    given = {"ops": {"load": {"inputs": {"rows": {form: {"path": str(file)}}}}}}
    answer = shared.request("POST", f"api/jobs/nightly/{action}", {"yaml": json.dumps(given)})
    assert answer.status == 200
    assert "a secret" not in answer.text
    assert "reads no files" in answer.text


BOMBS = {
    "billion laughs": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n"
        for old, new in zip("abcdefghi", "bcdefghij", strict=True)
    ),
    "itself": "a: &a [*a]",
    "depth": "[" * 100_000,
    "objects": "a: !!python/object/apply:os.system ['true']",
    "size": "x" * 900_000,
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("action", ["check", "plan", "copy", "edit"])
def test_a_bomb_of_yaml_is_a_mistake(shared: ServedInThread, bomb: str, action: str) -> None:
    body: dict[str, Any] = {"yaml": BOMBS[bomb]}
    if action == "edit":
        body["action"] = "scaffold_missing"
    answer = shared.request("POST", f"api/jobs/nightly/{action}", body)
    assert answer.status in (200, 422), answer.text
    assert len(answer.body) < 2 << 20
    assert shared.get("api/session")["has_code"]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, no_home: object) -> Iterator[ServedInThread]:
    """A server that changes things, with code, and with a run of it that failed."""
    directory = tmp_path_factory.mktemp("own")
    file = directory / "own_jobs.py"
    file.write_text(CODE)
    store = DirectoryRunStore(directory / "home")
    origin = {"file": str(file), "job": "nightly"}
    for run_id, name in (("own-failed", "nightly"), ("own-renamed", "nightlies")):
        record = RunRecord(run_id, name, RunStatus.FAILURE, 1.0, 2.0, origin=origin)
        store.create(record).close()
    options = DoorOptions(source=JobSource(file), store=str(directory / "home"))
    with served_in_thread(options) as served:
        until(lambda: served.get("api/jobs")["state"], lambda state: state == "ready")
        yield served


@pytest.fixture
def no_driver(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return the processes of drivers that a server of this process has started."""
    started: list[object] = []

    def start(*arguments: object) -> None:
        started.append(arguments)
        raise AssertionError("a driver was started")

    monkeypatch.setattr("rayexec.launch.launching.start_process", start)
    return started


@pytest.mark.parametrize("bomb", [*BOMBS, "a list"])
@pytest.mark.parametrize("action", ["launch", "resume"])
def test_no_driver_starts_for_a_bomb_of_yaml(
    own: ServedInThread, no_driver: list[object], bomb: str, action: str
) -> None:
    body = {"yaml": {**BOMBS, "a list": "- 1"}[bomb]}
    path = "api/jobs/nightly/launch" if action == "launch" else "api/runs/own-failed/resume"
    answer = own.request("POST", path, body)
    assert answer.status == 422, answer.text
    assert len(answer.body) < 2 << 20
    assert not no_driver
    assert own.get("api/jobs")["state"] == "ready"


def test_a_run_of_a_job_that_is_gone_neither_continues_nor_runs_again(
    own: ServedInThread, no_driver: list[object]
) -> None:
    """Its driver would fail; the answer tells the job that is most like it."""
    answer = own.request("POST", "api/runs/own-renamed/resume", {"from": "failure"})
    assert answer.status == 422
    assert "has no job 'nightlies'; it has nightly. Did you mean 'nightly'?" in answer.json["error"]
    assert not no_driver
    actions = own.get("api/runs/own-renamed")["actions"]
    assert actions["resume"] == actions["rerun"]
    assert "Did you mean 'nightly'?" in actions["rerun"]
    again = own.request("POST", "api/jobs/nightlies/launch", {})
    assert again.status == 404
    assert "Did you mean 'nightly'?" in again.json["error"]
    assert own.get("api/runs/own-failed")["actions"]["rerun"] is None


def asked(client: ServedInThread, path: str) -> socket.socket:
    """Ask for a file, and return the connection once its first bytes are there; read no more."""
    stream = socket.socket()
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    stream.settimeout(PATIENCE_S)
    stream.connect(("127.0.0.1", port_of(client)))
    head = f"GET /{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {client.token}"
    stream.sendall(f"{head}\r\n\r\n".encode())
    return stream


def begun(stream: socket.socket) -> socket.socket:
    assert stream.recv(12) == b"HTTP/1.1 200"
    return stream


def exporters(store: Path) -> list[int]:
    """Return the processes that export runs of a store."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes()
            if b"export" in command and str(store).encode() in command:
                found.append(int(process.name))
    return found


@pytest.mark.long("exports runs")
def test_a_few_downloads_are_made_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a process that reads a whole run; readers that take nothing hold no other ones."""
    store = DirectoryRunStore(tmp_path)
    record_large_run(store, "large", 30_000)
    record_large_run(store, "small", 10)
    path, small = "api/runs/large/download/trace", "api/runs/small/download/html"
    with served_in_thread(DoorOptions(store=str(tmp_path))) as served, contextlib.ExitStack() as on:
        streams = [on.enter_context(asked(served, path)) for _ in range(downloads.MOST_DOWNLOADS)]
        for stream in streams:
            begun(stream)
        refused = served.request("GET", small)
        assert refused.status == 429
        assert int(refused.headers["Retry-After"]) > 0
        assert "4 downloads are under way" in refused.json["error"]
        assert served.get("api/runs")["total"] == 2
        streams.pop().close()
        answer = until(lambda: served.request("GET", small), lambda one: one.status != 429)
        assert answer.status == 200
        assert answer.body[:9].lower() == b"<!doctype"
        # A reader that takes nothing does not hold its place for ever.
        monkeypatch.setattr(downloads, "STALL_PATIENCE_S", 0.2)
        with begun(asked(served, path)):
            until(lambda: served.session.downloads, lambda count: count == len(streams))


@pytest.mark.long("exports a run")
def test_a_download_that_nobody_waits_for_ends(tmp_path: Path) -> None:
    record_large_run(DirectoryRunStore(tmp_path), "large", 1_000)
    with served_in_thread(DoorOptions(store=str(tmp_path))) as served:
        with asked(served, "api/runs/large/download/html"):
            (writer,) = until(lambda: exporters(tmp_path))
            os.kill(writer, signal.SIGSTOP)  # it would end by itself
        until(lambda: exporters(tmp_path), lambda left: not left)
        until(lambda: served.session.downloads, lambda count: count == 0)
