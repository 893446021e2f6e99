"""Damaged logs: commands say how much they did not read; a cut tail of a killed driver is none."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rayexec import job, op
from rayexec.cli.main import app
from rayexec.store import DirectoryRunStore
from rayexec.store.frames import HEADER_BYTES, frame


@op
def load(context) -> int:  # type: ignore[no-untyped-def]
    context.log.info("loading")
    return 1


@op
def save(value: int) -> None:
    pass


@job(config={"execution": {"config": {"in_process": {}}}})
def daily() -> None:
    save(load())


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of a recorded run, of two frames."""
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    run_id = daily.execute().run_id
    return tmp_path / "home/runs" / run_id / "events/00000000.log"


def invoke(log: Path, command: str, *options: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["run", command, log.parts[-3], *options])
    return result.exit_code, result.stdout, result.stderr


def first_frame(content: bytes) -> int:
    """Return the bytes of the first frame."""
    return HEADER_BYTES + int(struct.unpack_from("<4sIQ", content)[2])


def _flip(content: bytes, offset: int) -> bytes:
    return content[:offset] + bytes([content[offset] ^ 1]) + content[offset + 1 :]


def _body_of_first(content: bytes) -> bytes:
    return _flip(content, HEADER_BYTES + 50)


def _body_of_last(content: bytes) -> bytes:
    return _flip(content, len(content) - 5)


def _magic_of_last(content: bytes) -> bytes:
    return _flip(content, first_frame(content))


def _length_of_first(content: bytes) -> bytes:
    return content[:8] + struct.pack("<Q", 1 << 40) + content[16:]


def _garbage(content: bytes) -> bytes:
    return os.urandom(1) + b"x" * len(content)


def _gap(content: bytes) -> bytes:
    return content[:100] + content[200:]


def _zeros_inside(content: bytes) -> bytes:
    return content[:40] + bytes(300) + content[340:]


def _cut(content: bytes) -> bytes:
    return content[:-10]


DAMAGES = [
    *(_body_of_first, _body_of_last, _magic_of_last, _length_of_first),
    *(_garbage, _gap, _zeros_inside, _cut),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_log_is_told_and_exits_1(
    log: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    whole = log.read_bytes()
    log.write_bytes(damage(whole))
    page = tmp_path / "page.html"
    for command, *options in (
        ("events",),
        ("events", "--json"),
        ("events", "--follow"),
        ("events", "--step", "load"),
        ("logs",),
        ("show",),
        ("show", "--json"),
        ("export", "--html", str(page)),
    ):
        code, out, err = invoke(log, command, *options)
        assert code == 1, (command, options, out, err)
        assert f"Error: the log of run {log.parts[-3]} is damaged: " in err
        assert "bytes at its end were not read, behind " in err
        if command == "show" and options:
            assert json.loads(out)["status"] == "SUCCESS"
    assert page.exists()


def test_the_message_counts_the_bytes_and_what_is_before_them_is_shown(log: Path) -> None:
    whole = log.read_bytes()
    extra = frame(b"body")
    log.write_bytes(whole + _flip(extra, len(extra) - 1))
    code, out, err = invoke(log, "events")
    assert code == 1
    assert "RUN_SUCCESS" in out
    assert err == (
        f"Error: the log of run {log.parts[-3]} is damaged: {len(extra)} bytes at its end were not "
        f"read, behind {len(whole):,} bytes that were. What they record is missing above.\n"
    )


def test_a_whole_log_is_no_reason_to_complain(log: Path) -> None:
    for command in ("events", "logs", "show"):
        code, _, err = invoke(log, command)
        assert (code, err) == (0, "")


def _died(document: dict[str, Any]) -> None:
    document.update(status="STARTED", end_time=None)
    document["driver"].update(pid=2**22 + 1)


def _runs(document: dict[str, Any]) -> None:
    document.update(status="STARTED", end_time=None)


def _full(document: dict[str, Any]) -> None:
    document.update(note="recorded in part: the store is full")


@pytest.mark.parametrize("state", [_died, _runs, _full])
@pytest.mark.parametrize("cut", [1, 10, 300, -20])
def test_the_cut_tail_of_a_driver_that_died_or_writes_is_no_damage(
    log: Path, state: Callable[[dict[str, Any]], None], cut: int
) -> None:
    record = log.parent.parent / "run.json"
    document = json.loads(record.read_text())
    state(document)
    record.write_text(json.dumps(document))
    whole = log.read_bytes()
    log.write_bytes(whole[:-cut] if cut > 0 else whole + bytes(-cut))
    for command in ("events", "logs", "show"):
        code, out, err = invoke(log, command)
        assert (code, err) == (0, ""), (command, out)
    log.write_bytes(_body_of_first(whole))
    assert invoke(log, "events")[0] == 1


def _emptied(log: Path) -> None:
    log.write_bytes(b"")


def _cut_between_frames(log: Path) -> None:
    whole = log.read_bytes()
    log.write_bytes(whole[: first_frame(whole)])


@pytest.mark.parametrize("loss", [Path.unlink, _emptied, _cut_between_frames])
def test_a_log_that_lacks_steps_of_the_record_is_damaged(
    log: Path, loss: Callable[[Path], None]
) -> None:
    loss(log)
    for command in ("events", "logs", "show"):
        code, _, err = invoke(log, command)
        assert code == 1, command
        assert "is damaged: it has been cut or removed" in err
        assert "2 of 2 steps are missing" in err
    assert DirectoryRunStore(log.parents[3]).list()[0].status == "SUCCESS"


@pytest.mark.parametrize("state", [_died, _runs, _full])
def test_a_lost_log_of_a_run_without_an_end_is_no_damage(
    log: Path, state: Callable[[dict[str, Any]], None]
) -> None:
    record = log.parent.parent / "run.json"
    document = json.loads(record.read_text())
    state(document)
    record.write_text(json.dumps(document))
    log.unlink()
    assert invoke(log, "show")[0] == 0
