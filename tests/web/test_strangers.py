"""Strangers at the door: what they may hold, read, or have others do."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from served_pages import ServedInThread, served_in_thread

from rayexec.launch.job_file import JobSource
from rayexec.web import connection
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
