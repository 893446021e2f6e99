"""Rules of access: who is let in, and what each answer carries."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from served_pages import Answer, ServedInThread, served_in_thread

from rayexec.web import connection, peers
from rayexec.web.endpoints import endpoint_of
from rayexec.web.guard import BODY_BYTES, HEADERS, attachment, cookie_name
from rayexec.web.server import make_app, new_session
from rayexec.web.session import DoorOptions

REAL_USER = os.geteuid()


@pytest.fixture(scope="module")
def read_only(no_home: object) -> Iterator[ServedInThread]:
    with served_in_thread(DoorOptions(is_read_only=True)) as served:
        yield served


def port_of(client: ServedInThread) -> int:
    return urlsplit(client.url).port or 0


def checked(answer: Answer) -> Answer:
    """Return an answer that has all headers, no header for other sites, and no traceback."""
    for name, value in HEADERS.items():
        assert answer.headers[name] == value, name
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert b"Traceback" not in answer.body
    return answer


@pytest.mark.parametrize("path", ["", "runs", "api/runs", "api/openapi.json", "static/app.js"])
def test_without_the_token_nobody_gets_anything(web_client: ServedInThread, path: str) -> None:
    answer = checked(web_client.request("GET", path, has_token=False))
    assert answer.status == 401
    assert b"token" in answer.body


@pytest.mark.parametrize("token", ["", "x", "wrong" * 8, "é", "\u20ac" * 40])
def test_a_wrong_token_opens_nothing(web_client: ServedInThread, token: str) -> None:
    header = {"Authorization": f"Bearer {token}".encode().decode("latin-1")}
    assert checked(web_client.request("GET", "api/runs", headers=header)).status == 401
    cookie = {"Cookie": f"{cookie_name(port_of(web_client))}={token}".encode().decode("latin-1")}
    answer = web_client.request("GET", "api/runs", headers=cookie, has_token=False)
    assert checked(answer).status == 401
    asked = web_client.request("GET", "", has_token=False, token=token)
    assert checked(asked).status == 401
    assert asked.headers["Set-Cookie"] is None


def test_the_token_becomes_a_cookie_and_leaves_the_address(web_client: ServedInThread) -> None:
    answer = web_client.request("GET", "runs", has_token=False, token=web_client.token, job="a b")
    assert checked(answer).status == 303
    assert answer.headers["Location"] == "/runs?job=a+b"
    name, _, rest = answer.headers["Set-Cookie"].partition("=")
    assert name == f"rayexec-{port_of(web_client)}"
    value, *attributes = rest.split("; ")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)
    page = web_client.request("GET", "runs", headers={"Cookie": f"{name}={value}"}, has_token=False)
    assert page.status == 200
    assert web_client.token not in page.text


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("user", [REAL_USER, 20_002])
def test_a_code_of_a_started_browser_counts_once_and_for_its_user(
    no_home: object, monkeypatch: pytest.MonkeyPatch, host: str, user: int
) -> None:
    """Everybody on the machine reads the arguments that a browser is started with."""
    with served_in_thread(DoorOptions(host=host)) as served:
        code = served.session.opening_code = "a code"
        assert served.request("GET", "", has_token=False, token="another").status == 401
        monkeypatch.setattr(os, "geteuid", lambda: user)
        monkeypatch.setattr(peers, "_ROOT", user)
        first = checked(served.request("GET", "", has_token=False, token=code))
        assert first.status == (303 if user == REAL_USER else 401)
        again = served.request("GET", "", has_token=False, token=code)
        assert again.status == 401


@pytest.mark.parametrize("path", ["//evil.example/x", "/\\evil.example", "///evil.example"])
def test_the_redirect_leads_to_no_other_site(web_client: ServedInThread, path: str) -> None:
    http_connection = http.client.HTTPConnection("127.0.0.1", port_of(web_client), timeout=30)
    with contextlib.closing(http_connection):
        http_connection.request("GET", f"{path}?token={web_client.token}")
        answer = http_connection.getresponse()
        place = answer.headers["Location"] or "/"
        assert place.startswith("/")
        assert place[1:2] not in ("/", "\\")


FOREIGN_HOSTS = [
    "evil.example",
    "evil.example:3000",
    "127.0.0.1.evil.example",
    "localhost.evil.example:80",
    "127.0.0.1@evil.example",
    "10.0.0.7",
    "[::2]:3000",
    "",
    "local host",
]


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_a_name_that_is_not_ours_is_refused(web_client: ServedInThread, host: str) -> None:
    answer = checked(web_client.request("GET", "api/runs", headers={"Host": host}))
    assert answer.status in (400, 403)
    assert b"run_id" not in answer.body


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:9", "LOCALHOST."]
)
def test_loopback_names_are_ours_at_any_port(web_client: ServedInThread, host: str) -> None:
    """SSH forwards another port."""
    assert web_client.request("GET", "api/runs", headers={"Host": host}).status == 200


FOREIGN_ORIGINS = [
    "https://evil.example",
    "null",
    "http://127.0.0.1:1",
    "http://localhost:{port}",
    "http://127.0.0.1:{port}.evil.example",
    "file://127.0.0.1:{port}",
    "http://127.0.0.1:{port}/path",
    "http://user@127.0.0.1:{port}",
    "",
]


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_request_of_another_site_is_refused(
    web_client: ServedInThread, origin: str, method: str
) -> None:
    sent = {"Origin": origin.format(port=port_of(web_client))}
    answer = checked(web_client.request(method, "api/runs/nothing", headers=sent))
    assert answer.status == 403


def test_a_page_of_ours_may_ask(web_client: ServedInThread) -> None:
    sent = {"Origin": f"http://127.0.0.1:{port_of(web_client)}"}
    assert checked(web_client.request("GET", "api/runs", headers=sent)).status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_only_a_link_leads_here_from_elsewhere(web_client: ServedInThread, site: str) -> None:
    script = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
    assert web_client.request("GET", "api/runs", headers=script).status == 403
    link = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
    assert web_client.request("GET", "runs", headers=link).status == 200
    assert web_client.request("POST", "api/runs/x/cancel", headers=link).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": None},
        {"X-Rayexec": None},
        {"X-Rayexec": "0"},
    ],
)
def test_a_form_changes_nothing(web_client: ServedInThread, headers: dict[str, Any]) -> None:
    answer = checked(web_client.request("POST", "api/runs/x/cancel", headers=headers))
    assert answer.status == 415


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_other_methods_are_refused(web_client: ServedInThread, method: str) -> None:
    assert checked(web_client.request(method, "api/runs")).status == 405


def test_no_question_has_an_effect() -> None:
    """What a GET may reach is no post, and each post but a mere question is refused read-only."""
    app = make_app(new_session(DoorOptions()))
    endpoints = [endpoint_of(route.handler) for route in app.router.routes()]
    found = [each for each in endpoints if each is not None]
    assert len(found) > 12
    assert not [each.path for each in found if each.method == "GET" and each.has_effect]
    changing = {(each.method, each.path) for each in found if each.has_effect}
    assert ("DELETE", "api/runs/{run_id}") in changing
    assert ("POST", "api/runs/{run_id}/cancel") in changing
    others = {(each.method, each.path) for each in found if not each.has_effect}
    harmless = {"check", "edit", "plan", "copy"}
    assert {
        path
        for method, path in others
        if method != "GET" and path.rpartition("/")[2] not in harmless
    } == set()


def test_a_read_only_server_changes_nothing(read_only: ServedInThread) -> None:
    answer = checked(read_only.request("POST", "api/runs/x/cancel"))
    assert answer.status == 403
    assert "read-only" in answer.json["error"]
    assert read_only.request("DELETE", "api/runs/x").status == 403
    assert read_only.get("api/session")["read_only"]


def test_a_body_is_at_most_a_mebibyte(web_client: ServedInThread) -> None:
    body = b'{"force": "' + b"x" * BODY_BYTES + b'"}'
    with contextlib.suppress(ConnectionError):  # The server need not read it to the end.
        assert checked(web_client.request("POST", "api/runs/x/cancel", body)).status == 413


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 404), (b"[1]", 422), (b"{", 422), (b'{"force": 3}', 422), (b'{"other": 1}', 422)],
)
def test_a_body_is_held_against_its_model(
    web_client: ServedInThread, body: bytes, status: int
) -> None:
    answer = checked(web_client.request("POST", "api/runs/nothing-here/cancel", body))
    assert answer.status == status
    assert answer.json["error"]


@pytest.mark.parametrize("path", ["x" * 9_000, "api/" + "y" * 9_000])
def test_a_long_address_is_refused(web_client: ServedInThread, path: str) -> None:
    assert checked(web_client.request("GET", path)).status in (400, 414)


def test_long_headers_are_refused(web_client: ServedInThread) -> None:
    answer = web_client.request("GET", "api/runs", headers={"X-Long": "z" * 9_000})
    assert checked(answer).status in (400, 431)


@pytest.mark.parametrize(
    "name",
    [
        "static/../server.py",
        "static/%2e%2e/server.py",
        "static/..%2fserver.py",
        "static/shell.html",
        "static//etc/passwd",
        "static/.hidden.js",
        "static/app.js%00.css",
        "static/nothing.js",
    ],
)
def test_only_static_files_are_read_by_name(web_client: ServedInThread, name: str) -> None:
    assert checked(web_client.request("GET", name)).status in (400, 404)


def test_a_file_that_a_browser_has_is_not_sent_again(web_client: ServedInThread) -> None:
    first = web_client.request("GET", "static/app.js")
    again = web_client.request(
        "GET", "static/app.js", headers={"If-None-Match": first.headers["ETag"]}
    )
    assert (first.status, again.status) == (200, 304)
    assert first.body
    assert not again.body


def test_bytes_that_are_no_http_have_the_headers_and_no_traceback(
    web_client: ServedInThread,
) -> None:
    for data in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"GET\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port_of(web_client)), 10) as stream:
            stream.sendall(data)
            answer = b""
            while part := stream.recv(65536):
                answer += part
        head = answer.decode("latin-1")
        assert head.startswith(("HTTP/1.1 400", "HTTP/1.0 400"))
        assert "Content-Security-Policy: default-src 'self'" in head
        assert "Traceback" not in head


def test_a_head_that_trickles_in_ends_its_connection(
    web_client: ServedInThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", port_of(web_client)), 10) as stream:
        stream.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        assert stream.recv(100) == b""  # It would wait for ever.


def test_more_connections_than_enough_are_refused(
    web_client: ServedInThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MOST_CONNECTIONS", 0)
    with (
        contextlib.suppress(ConnectionError),
        socket.create_connection(("127.0.0.1", port_of(web_client)), 10) as stream,
    ):
        assert stream.recv(100) == b""


async def handshake(client: ServedInThread, **headers: str) -> int:
    sent = {"Authorization": f"Bearer {client.token}", **headers}
    async with aiohttp.ClientSession() as session:
        try:
            socket = await session.ws_connect(f"{client.url}api/live", headers=sent)
        except aiohttp.WSServerHandshakeError as error:
            return error.status
        await socket.close()
        return 101


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_a_websocket_of_another_site_is_refused(web_client: ServedInThread, origin: str) -> None:
    sent = {"Origin": origin.format(port=port_of(web_client))}
    assert asyncio.run(handshake(web_client, **sent)) == 403


def test_a_websocket_needs_the_token_and_our_name(web_client: ServedInThread) -> None:
    assert asyncio.run(handshake(web_client, Authorization="Bearer wrong")) == 401
    assert asyncio.run(handshake(web_client, Host="evil.example")) == 403
    ours = f"http://127.0.0.1:{port_of(web_client)}"
    assert asyncio.run(handshake(web_client, Origin=ours)) == 101


@pytest.mark.parametrize("text", ["x" * 70_000, "[]", "{", '{"watch": 3}', '{"other": 1}'])
def test_a_websocket_that_says_nonsense_is_closed(web_client: ServedInThread, text: str) -> None:
    async def closed() -> int | None:
        sent = {"Authorization": f"Bearer {web_client.token}"}
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{web_client.url}api/live", headers=sent) as socket,
        ):
            await socket.send_str(text)
            while (message := await socket.receive(10)).type is aiohttp.WSMsgType.TEXT:
                pass
            assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
            return socket.close_code

    assert asyncio.run(closed()) in (aiohttp.WSCloseCode.POLICY_VIOLATION, 1009)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("run.html", "run.html"),
        ('a"; filename="b.exe', "a_filename_b.exe"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("x\r\nSet-Cookie: a=b", "x_Set-Cookie_a_b"),
        ("ä" * 9, "_"),
        ("", "download"),
    ],
)
def test_a_download_has_a_safe_name_and_no_origin(name: str, safe: str) -> None:
    headers = attachment(name)
    assert headers["Content-Disposition"] == f'attachment; filename="{safe}"'
    assert headers["Content-Security-Policy"].startswith("sandbox")


def test_behind_a_proxy_addresses_hold_with_the_path_and_without_it(no_home: object) -> None:
    options = DoorOptions(base_path="/user/me/proxy/", allowed_hosts=("hub.example.com",))
    with served_in_thread(options) as served:
        root = f"http://127.0.0.1:{port_of(served)}/"
        stripped = ServedInThread(root, served.token, served.session, served.loop)
        proxied = {"Host": "hub.example.com", "Origin": "https://hub.example.com"}
        for client in (served, stripped):
            assert client.request("GET", "api/session", headers=proxied).status == 200
            page = client.request("GET", "runs", headers=proxied)
            assert 'src="/user/me/proxy/static/app.js"' in page.text
            asked = client.request("GET", "runs", has_token=False, token=served.token)
            assert asked.headers["Location"] == "/user/me/proxy/runs"
            assert "Path=/user/me/proxy/" in asked.headers["Set-Cookie"]
        rebound = {"Origin": "https://hub.example.com:8443"}
        assert served.request("GET", "api/session", headers=rebound).status == 403
