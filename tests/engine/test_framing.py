"""Framing and messages between driver and workers: whole, authentic, bounded."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayexec.engine.ray.protocol import framing
from rayexec.engine.ray.protocol.framing import (
    SEAL_BYTES,
    Address,
    Frame,
    FrameError,
    FrameReader,
    frame,
    has_seal,
    seal_of,
)
from rayexec.engine.ray.protocol.worker_messages import (
    BatchBegun,
    CallsFinished,
    LinesLogged,
    Message,
    ResourcesClosed,
    ValuesYielded,
    WorkerConnected,
    YieldedValue,
    decode,
    encode,
)
from rayexec.events import LiveLines, LogLine, ResourceRecord

ADDRESS = Address("127.0.0.1", 1, b"key", 3)


@given(st.lists(st.binary(max_size=200), max_size=6), st.data())
def test_frames_come_out_whole_however_the_bytes_are_cut(
    bodies: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(frame(ADDRESS, body) for body in bodies)
    reader, frames = FrameReader(ADDRESS.key), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        frames += reader.feed(stream[:size])
        stream = stream[size:]
    assert frames == [Frame(3, body) for body in bodies]


@given(st.binary(min_size=1, max_size=60), st.data())
def test_a_changed_byte_gives_no_frame(body: bytes, data: st.DataObject) -> None:
    sent = bytearray(frame(ADDRESS, body))
    index = data.draw(st.integers(0, len(sent) - 1))
    sent[index] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(FrameError):
        assert FrameReader(ADDRESS.key).feed(bytes(sent)) == []  # it waits for a longer body


def test_another_key_or_channel_is_refused() -> None:
    with pytest.raises(FrameError, match="another key's seal"):
        FrameReader(b"other").feed(frame(ADDRESS, b"body"))
    here, there = frame(ADDRESS, b"body"), frame(ADDRESS._replace(channel=4), b"body")
    with pytest.raises(FrameError, match="another key's seal"):
        FrameReader(ADDRESS.key).feed(there[:16] + here[16:])


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_a_seal_is_of_its_key_and_its_data(data: bytes, other: bytes) -> None:
    seal = seal_of(b"key", data)
    assert len(seal) == SEAL_BYTES
    assert has_seal(b"key", data, seal)
    assert not has_seal(b"another key", data, seal)
    assert not has_seal(b"key", data, seal[:-1])
    assert has_seal(b"key", other, seal) == (data == other)


def test_a_body_over_the_bound_is_neither_sent_nor_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    long = frame(ADDRESS, bytes(101))
    monkeypatch.setattr(framing, "MAX_BODY_BYTES", 100)
    with pytest.raises(FrameError, match="over the bound"):
        frame(ADDRESS, bytes(101))
    with pytest.raises(FrameError, match="over the bound"):
        FrameReader(ADDRESS.key).feed(long[:48])  # before any byte of the body
    assert len(FrameReader(ADDRESS.key).feed(frame(ADDRESS, bytes(100)))) == 1


@pytest.mark.parametrize(
    "message",
    [
        BatchBegun(1),
        CallsFinished(2, 77, [b"entry", (0, [1.0], [2.0], [b"output"])], [3, 4]),
        ValuesYielded(3, [YieldedValue("result[a]", b"packed"), YieldedValue("result[b]", None)]),
        LinesLogged(4, LiveLines(0, 0, 77, 1.0, (LogLine(1.0, 20, "logged"),))),
        WorkerConnected(77, "host"),
        ResourcesClosed((ResourceRecord("db", 1.0, 2.0),), "out", "err"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_each_kind_of_message_arrives_as_it_was(message: Message) -> None:
    arrived = decode(encode(message))
    assert type(arrived) is type(message)
    assert arrived == message
