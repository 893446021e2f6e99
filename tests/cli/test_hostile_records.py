"""Records never command a terminal: no command writes their control characters."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cli_process import run_on_terminal
from typer.testing import CliRunner

from rayexec import job, op
from rayexec.cli.main import app
from rayexec.cli.printable import (
    printable_json,
    printable_line,
    printable_output,
    printable_text,
)
from rayexec.run.cached_outputs import CacheOrigin
from rayexec.store import default_store

# The clipboard, the title, a clear screen, C1 codes, other directions of text, and forged rows.
HOSTILE = (
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1b]0;PWNED\x1b\\",
    "\x1b[2J\x1b[H",
    "\x1bP+q544e\x1b\\",
    "\x1bc",
    "\x9b2J",
    "\x9d52;c;ZXZpbA==\x9c",
    "\x00\x07\x08\x0b\x0c\x0e\x7f",
    "\u202egpj.exe\u202c",
    "\u2066left\u2069\u200f\u061c",
    "\r\x1b[K",
    "\nffff  payroll  SUCCESS",
    "\u2028\u2029\x85",
    "\ud800",
)
TEXT = " ".join(HOSTILE)
CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def invoke(*arguments: str) -> str:
    """Return what a command writes on both streams, without a terminal and so without colors."""
    ended = CliRunner().invoke(app, arguments)
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
    return str(ended.output)


@op
def hostile(context: Any) -> None:
    context.log.warning(TEXT)
    print(TEXT)
    raise ValueError(TEXT)


@job(config={"execution": {"config": {"in_process": {}}}})
def failing() -> None:
    hostile()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with a run that says hostile things wherever a run may say something."""
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path))
    assert not failing.execute(run_id="r", tags={"note": TEXT}).success
    path = tmp_path / "runs/r/run.json"
    record = json.loads(path.read_text())
    changed = {
        "job_name": f"job{TEXT}",
        "note": TEXT,
        "origin": {"file": TEXT, "attribute": TEXT},
        "op_selection": [TEXT],
        "versions": {TEXT: TEXT},
        "parent_run_id": TEXT,
        "root_run_id": TEXT,
        "run_config": {TEXT: TEXT},
        "error": {"error": TEXT, "message": TEXT},
        "steps": {TEXT: 1},
        "driver": {"host": TEXT, "pid": 1, "started": None},
    }
    path.write_text(json.dumps(record | changed))
    return tmp_path


COMMANDS = (
    ("list",),
    ("show", "r"),
    ("events", "r"),
    ("logs", "r"),
    ("wait", "r"),
    ("cancel", "--no-wait", "r"),
    ("resume", "r"),
    ("resume", "r", "-f", "none.py"),
    ("delete", "--older-than", "0", "--dry-run"),
    ("delete", "--older-than", "0", "--yes"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_writes_control_characters_of_a_record(
    home: Path, command: tuple[str, ...]
) -> None:
    written = invoke("run", *command)
    assert written
    assert CONTROLS.findall(written) == []
    # The message of an error may have several lines.
    assert "\nffff" not in written or command[0] in ("show", "resume")


@pytest.mark.parametrize("command", COMMANDS[:5], ids=" ".join)
def test_json_has_escapes_for_them(home: Path, command: tuple[str, ...]) -> None:
    written = invoke("run", *command, "--json")
    assert CONTROLS.findall(written) == []
    if command[0] in ("list", "show"):
        document = json.loads(written)
        name = document[0]["job"] if command[0] == "list" else document["job"]
        assert name == f"job{TEXT}".replace("\ud800", "\\ud800") or name == f"job{TEXT}"


def test_an_unreadable_record_says_nothing_hostile(home: Path) -> None:
    path = home / "runs/r/run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": TEXT}))
    for command in (("list",), ("show", "r")):
        assert CONTROLS.findall(invoke("run", *command)) == []


def test_cached_outputs_and_ids_that_were_given_do_not_either(home: Path) -> None:
    entry = default_store().cache().begin("ab" * 32, CacheOrigin(TEXT, TEXT, TEXT, TEXT, 1.0))
    entry.commit()
    assert CONTROLS.findall(invoke("cache", "list")) == []
    assert CONTROLS.findall(invoke("run", "show", TEXT)) == []
    assert CONTROLS.findall(invoke("run", "list", "--store", f"none-{TEXT[:20]}://")) == []


def test_the_page_of_a_run_has_none(home: Path) -> None:
    invoke("run", "export", "r", "--html", str(home / "page.html"))
    page = (home / "page.html").read_text(encoding="utf-8", errors="surrogatepass")
    assert CONTROLS.findall(page.replace("\t", "")) == []


@pytest.mark.long("a command on a terminal of its own")
def test_the_live_view_shows_them_as_escapes(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(
        "from rayexec import job, op\n"
        f"TEXT = {TEXT!a}\n"
        "@op\ndef hostile(context):\n"
        "    context.log.warning(TEXT)\n    print(TEXT)\n    print('\\x1b[31mred\\x1b[0m')\n"
        "    raise ValueError(TEXT)\n"
        "@job\ndef failing():\n    hostile()\n"
    )
    written = run_on_terminal("job", "execute", "-f", "jobs.py", cwd=tmp_path).stdout
    for code in ("\x1b]", "\x1bP", "\x1bc", "\x9b", "\x9d", "\x07", "\u202e", "\u2066", "\x1b[H"):
        assert code not in written, code
    assert "\x1b[31mred" in written


def test_each_control_becomes_an_escape() -> None:
    for code in [*range(0x20), *range(0x7F, 0xA0), 0x202E, 0x2028]:
        assert not CONTROLS.search(printable_line(chr(code))), code
        assert printable_line(chr(code))[0] == "\\"
    assert printable_text("a\n\tb\x1b") == "a\n\tb\\x1b"
    assert printable_line("a\n\tb\r") == "a\\n\\tb\\r"
    assert printable_line("grüße 日本 👩‍👧") == "grüße 日本 👩‍👧"
    assert printable_output("10%\r20%\r\n\x1b[1;31mred\x1b[0m\x1b[2J") == (
        "10%\n20%\n\x1b[1;31mred\x1b[0m\\x1b[2J"
    )
    assert printable_output("\x1b[31mred", colors=False) == "\\x1b[31mred"
    document = {"text": TEXT[:-1]}
    assert json.loads(printable_json(json.dumps(document, ensure_ascii=False))) == document
