"""Access to a cluster: its address, its answer, and the token."""

from __future__ import annotations

import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rayexec.cluster import access, tokens
from rayexec.errors import EngineError


def test_the_token_is_for_the_user_alone_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(tokens.TOKEN, raising=False)
    monkeypatch.setenv(tokens.TOKEN_PATH, str(tmp_path / "a/token"))
    assert tokens.token() is None
    tokens.ensure_token()
    made = tokens.token()
    assert made is not None
    assert len(made) == 64
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a/token").stat().st_mode & 0o777 == 0o600
    assert not tokens.readable_by_others()
    tokens.ensure_token()
    assert tokens.token() == made
    assert [each.name for each in (tmp_path / "a").iterdir()] == ["token"]
    (tmp_path / "a/token").chmod(0o644)
    assert tokens.readable_by_others()
    tokens.ensure_token()
    assert not tokens.readable_by_others()
    assert tokens.token() == made


def test_of_several_first_tokens_one_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Ray of the first process would refuse the token of the second."""
    monkeypatch.delenv(tokens.TOKEN, raising=False)
    monkeypatch.setenv(tokens.TOKEN_PATH, str(tmp_path / "imported"))
    tokens.ensure_token()  # Ray is imported now
    for attempt in range(20):
        directory = tmp_path / str(attempt)
        monkeypatch.setenv(tokens.TOKEN_PATH, str(directory / "token"))
        together = threading.Barrier(8)

        def first() -> str | None:
            together.wait()  # noqa: B023  # it ends within this round
            tokens.ensure_token()
            return tokens.token()

        with ThreadPoolExecutor(8) as threads:
            made = [each.result() for each in [threads.submit(first) for _ in range(8)]]
        assert len(set(made)) == 1
        assert None not in made
        assert [each.name for each in directory.iterdir()] == ["token"]


def test_an_empty_token_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(tokens.TOKEN, raising=False)
    monkeypatch.setenv(tokens.TOKEN_PATH, str(tmp_path / "token"))
    (tmp_path / "token").touch()
    tokens.ensure_token()
    assert tokens.token()


def test_rays_own_directory_is_closed_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray makes both for all users to read; a directory of the user's choice may be shared."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(tokens.TOKEN, raising=False)
    monkeypatch.delenv(tokens.TOKEN_PATH, raising=False)
    for directory in (tmp_path / ".ray", tmp_path / "chosen"):
        directory.mkdir(mode=0o755)
        (directory / "auth_token").write_text("secret")
        (directory / "auth_token").chmod(0o644)
    tokens.ensure_token()
    assert (tmp_path / ".ray").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / ".ray/auth_token").stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv(tokens.TOKEN_PATH, str(tmp_path / "chosen/auth_token"))
    tokens.ensure_token()
    assert (tmp_path / "chosen").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "chosen/auth_token").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("before", [None, "disabled", "token"])
def test_a_cluster_without_tokens_sees_none_after_a_ray_of_our_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    monkeypatch.setenv(tokens.TOKEN_PATH, str(tmp_path / "token"))
    if before is None:
        monkeypatch.delenv(tokens.AUTH_MODE, raising=False)
    else:
        monkeypatch.setenv(tokens.AUTH_MODE, before)
    monkeypatch.setattr(tokens, "_modes_before", [])
    monkeypatch.setattr(tokens, "refresh", lambda: None)
    tokens.require_token()
    tokens.require_token()
    assert os.environ[tokens.AUTH_MODE] == "token"
    tokens.no_token_wanted()
    tokens.no_token_wanted()
    assert os.environ.get(tokens.AUTH_MODE) == before


def test_a_token_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.delenv(tokens.TOKEN, raising=False)
    monkeypatch.setenv(tokens.TOKEN_PATH, str(tmp_path / "file/token"))
    with pytest.raises(EngineError, match="cannot write the token"):
        tokens.ensure_token()


def test_what_listens_and_is_no_ray_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "ANSWER_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(EngineError, match="does not answer as Ray does"):
            access.reach(address)


def test_auto_is_what_the_environment_says_else_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[str] = []
    monkeypatch.setattr(access, "_check_answers", reached.append)
    monkeypatch.setattr(access, "_authenticate", lambda _: None)
    monkeypatch.setattr(access, "running", lambda: "127.0.0.1:2")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert access.reach("auto") == "127.0.0.1:2"
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:3")
    assert access.reach("auto") == "10.0.0.1:3"
    assert access.reach("10.0.0.1:4") == "10.0.0.1:4"
    assert reached == ["127.0.0.1:2", "10.0.0.1:3", "10.0.0.1:4"]


def test_a_token_that_stays_open_is_told_by_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mounted secret, say, may refuse another mode."""
    monkeypatch.setenv(tokens.TOKEN_PATH, str(tmp_path / "token"))
    monkeypatch.delenv(tokens.TOKEN, raising=False)
    monkeypatch.setenv(tokens.AUTH_MODE, "token")
    (tmp_path / "token").write_text("secret")
    (tmp_path / "token").chmod(0o644)

    def refuse(*_: object) -> None:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(Path, "chmod", refuse)
        tokens.ensure_token()
    (note,) = tokens.token_notes()
    assert str(tmp_path / "token") in note
    tokens.ensure_token()
    assert tokens.token_notes() == []
