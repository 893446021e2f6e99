"""Addresses that get the user's token, which opens all of the user's clusters."""

from __future__ import annotations

import contextlib
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from strangers import as_stranger, open_to_all

from rayexec.cluster import access, jobs_api, local_cluster, tokens
from rayexec.cluster.cluster_spec import ClusterSpec
from rayexec.errors import EngineError
from rayexec.private_directory import open_private

SECRET = "the-token-of-the-user"


@pytest.fixture(autouse=True)
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token, and nothing that names a cluster."""
    monkeypatch.setenv(tokens.TOKEN, SECRET)
    monkeypatch.setenv(tokens.AUTH_MODE, "token")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path))
    monkeypatch.setattr(tokens, "refresh", lambda: None)


@contextlib.contextmanager
def cluster_with_tokens(*, admits: float = 0) -> Iterator[tuple[str, list[str]]]:
    """Yield the address of what looks like a Ray that wants a token, and the tokens it has got.

    It ``admits`` so many questions without one.
    """
    import grpc  # type: ignore[import-untyped]  # has no types of its own

    shown: list[str] = []
    without: list[bytes] = []

    class Asked(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
        def service(self, details: Any) -> Any:
            metadata = dict(details.invocation_metadata)

            def answer(request: bytes, context: Any) -> bytes:
                if "authorization" in metadata:
                    shown.append(metadata["authorization"])
                elif len(without) >= admits:
                    context.abort(grpc.StatusCode.UNAUTHENTICATED, "a token is needed")
                else:
                    without.append(request)
                return b""

            return grpc.unary_unary_rpc_method_handler(answer)

    from concurrent.futures import ThreadPoolExecutor

    server = grpc.server(ThreadPoolExecutor(1), handlers=[Asked()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", shown
    server.stop(None).wait()


def test_a_typed_address_gets_the_token() -> None:
    with cluster_with_tokens() as (address, shown):
        assert access.reach(address) == address
        assert shown == [f"Bearer {SECRET}"]


def test_the_address_of_the_environment_gets_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    with cluster_with_tokens() as (address, shown):
        monkeypatch.setenv("RAY_ADDRESS", address)
        assert access.reach("auto") == address
        assert shown == [f"Bearer {SECRET}"]


def test_an_address_that_any_user_may_have_left_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with cluster_with_tokens() as (address, shown):
        monkeypatch.setattr(access, "_found_by_ray", lambda: address)
        with pytest.raises(EngineError, match=f"give its address: --address {address}"):
            access.reach("auto")
        assert shown == []


def test_the_doctor_shows_none_to_it_either() -> None:
    """Such a Ray may ask for none at first, and for one as soon as somebody trusts it."""
    # A process of its own: this one may use a Ray already, and then asks for no other.
    code = (
        "import sys\n"
        "from rayexec.cluster import access, examination\n"
        "from rayexec.cluster.doctor import Facts, NodeFacts\n"
        "access._found_by_ray = lambda: sys.argv[1]\n"
        "facts = Facts(NodeFacts('here', python='3.11.7'), '')\n"
        "print(examination._of_cluster(facts, 'auto', '').unreachable)"
    )
    with cluster_with_tokens(admits=1) as (address, shown):
        command = [sys.executable, "-c", code, address]
        said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        assert f"give its address: --address {address}" in said.stdout
        assert shown == []


@contextlib.contextmanager
def raylet(address: str) -> Iterator[None]:
    """Run a process that looks as a node of a cluster does."""
    code = (
        "import ctypes, sys, time; ctypes.CDLL(None).prctl(15, b'raylet', 0, 0, 0); "
        "print(flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, f"--gcs-address={address}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose a process is")
@pytest.mark.parametrize("mode", ["token", "TOKEN", None])
def test_a_ray_that_any_user_may_have_left_sees_no_token_by_the_mode_of_the_user(
    monkeypatch: pytest.MonkeyPatch, mode: str | None
) -> None:
    """It asks for none, and Ray's own clients would show it all the same."""
    monkeypatch.setattr(tokens, "_modes_before", [])
    if mode is None:
        monkeypatch.delenv(tokens.AUTH_MODE)
    else:
        monkeypatch.setenv(tokens.AUTH_MODE, mode)
    with cluster_with_tokens() as (wanting, shown), cluster_with_tokens(admits=99) as (left, got):
        monkeypatch.setattr(access, "_found_by_ray", lambda: left)
        assert access.reach("auto") == left
        assert (os.environ.get(tokens.AUTH_MODE) or "disabled") == "disabled"
        access.reach(wanting)  # typed
        assert os.environ[tokens.AUTH_MODE].lower() == "token"
        assert shown == [f"Bearer {SECRET}"]
    assert got == []
    tokens.no_token_wanted()


def test_a_cluster_with_a_process_of_this_user_gets_the_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with cluster_with_tokens() as (address, shown), raylet(address):
        monkeypatch.setattr(access, "_found_by_ray", lambda: address)
        assert access.reach("auto") == address
        assert shown == [f"Bearer {SECRET}"]


_WRITE = "import sys; open(sys.argv[1], 'w').write(sys.argv[2])"


def test_a_cluster_that_a_stranger_noted_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_to_all() as shared:
        monkeypatch.setenv("RAYEXEC_HOME", str(shared))
        as_stranger(_WRITE, shared / "cluster.json", "{}")
        with pytest.raises(PermissionError, match="belongs to another user"):
            open_private(shared / "cluster.json", os.O_RDONLY)
        assert local_cluster.current() is None


def test_a_cluster_that_others_may_have_noted_is_none_and_a_note_follows_no_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path))
    cluster = local_cluster.Cluster("A=b", "boot", "127.0.0.1:6379", str(tmp_path), ClusterSpec())
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in ("cluster.json", f"cluster.json.{os.getpid()}"):
        (tmp_path / name).symlink_to(victim)
    former = os.umask(0)
    try:
        local_cluster._write(cluster)
    finally:
        os.umask(former)
    assert victim.read_text() == "precious"
    note = tmp_path / "cluster.json"
    assert note.lstat().st_mode & 0o777 == 0o600
    assert local_cluster.current() == cluster
    note.chmod(0o666)
    assert local_cluster.current() is None


def test_a_redirect_takes_no_token_along() -> None:
    shown: list[str | None] = []

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.append(self.headers.get("Authorization"))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    class Dashboard(Elsewhere):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") is None:
                self.send_response(401)
            else:
                self.send_response(302)
                self.send_header("Location", f"http://127.0.0.1:{elsewhere.server_port}/")
            self.end_headers()

    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as elsewhere,
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Dashboard) as dashboard,
    ):
        for server in (elsewhere, dashboard):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(EngineError, match="it answers 302"):
            jobs_api.Jobs(f"http://127.0.0.1:{dashboard.server_port}")
        elsewhere.shutdown()
        dashboard.shutdown()
    assert shown == []
