"""Check of the head before a run: the network once a second, the head's process each time."""

from __future__ import annotations

import importlib

import pytest

from rayexec.cluster import own_ray

connecting = importlib.import_module("rayexec.cluster.connect")


@pytest.fixture
def asked(ray_session: None, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Heads that the process asked over the network, from none on."""
    heads: list[str] = []

    def answers(address: str) -> bool:
        heads.append(address)
        return True

    monkeypatch.setattr(connecting, "answers", answers)
    monkeypatch.setattr(connecting, "_answered", ("", 0.0))
    monkeypatch.setattr(connecting, "_ANSWER_LIFETIME_S", 3600.0)
    return heads


def test_a_head_that_this_process_started_is_asked_once_in_a_while(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        connecting.connect()
    assert len(asked) == 1
    monkeypatch.setattr(connecting, "_ANSWER_LIFETIME_S", 0.0)
    connecting.connect()
    assert len(asked) == 2, "a frozen head goes unnoticed"


def test_a_head_whose_process_is_not_known_to_live_is_asked_each_time(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = own_ray._node().all_processes
    monkeypatch.setitem(processes, "gcs_server", [])
    for _ in range(3):
        connecting.connect()
    monkeypatch.undo()
    assert len(asked) == 3


def test_a_head_of_another_process_is_asked_each_time(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_ray, "is_head", lambda: False)
    for _ in range(3):
        connecting.connect()
    assert len(asked) == 3
