"""The command ``rayexec dev``: what it prints, refuses, and leaves behind."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from dev_server import DevServer
from strangers import as_stranger

OPEN = """
import http.client, sys, urllib.parse
place = urllib.parse.urlsplit(sys.argv[1])
connection = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
connection.request("GET", f"{place.path}?{place.query}")
print(connection.getresponse().status)
"""

pytestmark = pytest.mark.long("starts the command in processes of their own")


def refused(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "rayexec", "dev", "--no-open", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.returncode, " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-f", "nothing.py"], "does not exist"),
        (["-f", "job.txt"], "must end in .py"),
        (["-f", "job.py", "-m", "job"], "give only one"),
        (["--base-path", "/a b/"], "--base-path"),
        (["--allow-host", "http://hub"], "--allow-host"),
        (["--port", "99999"], "65535"),
        (["--port", "many"], "valid integer"),
        (["-f", "directory.py"], "is a directory"),
        (["-m", "no_such_module"], "no module 'no_such_module'"),
        (["-m", "../jobs"], "no module '../jobs'"),
        (["-m", ""], "no module ''"),
        (["--address", "somewhere"], "give HOST:PORT"),
        (["--address", ""], "give HOST:PORT"),
        (["--address", "http://head:8265"], "give HOST:PORT"),
    ],
)
def test_a_mistake_in_the_options_has_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("job.py", "job.txt"):
        (tmp_path / name).touch()
    (tmp_path / "directory.py").mkdir()
    code, said = refused(*arguments)
    assert code == 2
    assert words in said


def test_a_taken_port_has_exit_code_1_if_it_was_asked_for(
    dev_server: Callable[..., DevServer],
) -> None:
    server = dev_server()
    port = server.base.rsplit(":", 1)[1].strip("/")
    code, said = refused("--port", port)
    assert code == 1
    assert f"cannot listen on port {port} of 127.0.0.1" in said


def test_a_store_that_is_none_has_exit_code_1(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for location in (str(file), "nothing://at-all"):
        code, said = refused("--home", location, "--port", "0")
        assert code == 1
        assert location in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_all_it_started(
    dev_server: Callable[..., DevServer], number: signal.Signals
) -> None:
    server = dev_server()
    port = server.base.rsplit(":", 1)[1].strip("/")
    token_file = server.home / f"dev-{os.geteuid()}" / f"{port}.token"
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(token_file.parent.stat().st_mode) == 0o700
    token = token_file.read_text().strip()
    assert server.url == f"{server.base}?token={token}"
    request = urllib.request.Request(
        f"{server.base}api/session", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
    server.process.send_signal(number)
    assert server.process.wait(30) == 0
    server.stop()  # Raises if a process is left.
    assert not token_file.exists()


def test_another_address_than_loopback_is_warned_of(dev_server: Callable[..., DevServer]) -> None:
    server = dev_server("--host", "0.0.0.0")
    assert "Whoever has the token runs code as you" in server.output


def test_the_arguments_of_a_browser_open_nothing_for_other_users(tmp_path: Path) -> None:
    """Everybody on the machine reads them."""
    noted = tmp_path / "noted"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >{noted}.part\nmv {noted}.part {noted}\n')
    browser.chmod(0o700)
    server = DevServer((), tmp_path / "home", tmp_path, browser=browser)
    try:
        deadline = time.monotonic() + 30
        while not noted.exists():
            assert time.monotonic() < deadline, "the browser has not started."
            time.sleep(0.02)
        address = noted.read_text().strip()
        assert address.startswith(f"{server.base}?token=")
        assert server.url != address
        own = [sys.executable, "-c", OPEN, address]
        if os.geteuid() == 0:
            assert as_stranger(OPEN, address) == "401\n"
        assert subprocess.check_output(own, text=True) == "303\n"
        assert subprocess.check_output(own, text=True) == "401\n"
    finally:
        server.stop()
