"""Files of the built-in IO managers that other users could have written, and their modes."""

from __future__ import annotations

import os
import pickle
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from strangers import (
    STRANGER_UID,
    MakesDirectory,
    as_stranger,
    by_all,
    by_group,
    by_sticky,
    needs,
    of_stranger,
    open_to_all,
)

from rayexec import (
    FilesystemIOManager,
    InputError,
    ParquetIOManager,
    build_input_context,
    build_output_context,
    job,
    op,
)
from rayexec.config.file_owners import TRUSTED_OWNERS
from rayexec.private_directory import StrangerError


def result() -> Any:
    return build_output_context(run_id="r", step_key="load")


INPUT = build_input_context(upstream_output=result())


@pytest.fixture(autouse=True)
def only_this_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is on the list of trusted owners."""
    monkeypatch.delenv(TRUSTED_OWNERS, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))


@pytest.fixture(params=["path", "uri"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, list[Path]]:
    """A manager, and the file of an output with the directories up to the manager's."""
    base = tmp_path / "base"
    manager = FilesystemIOManager(base_dir=str(base) if request.param == "path" else base.as_uri())
    manager.handle_output(result(), {"a": 1})
    return manager, [base / "r/load/result", base / "r/load", base / "r", base]


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("opened", [of_stranger, by_all, by_sticky, by_group])
def test_a_pickle_that_others_could_have_written_is_refused(
    stored: tuple[Any, list[Path]], opened: Any, level: int
) -> None:
    manager, paths = stored
    assert manager.load_input(INPUT) == {"a": 1}
    opened(paths[level])
    with pytest.raises(StrangerError, match=rf"^{paths[level]} .*{TRUSTED_OWNERS}"):
        manager.load_input(INPUT)


def test_a_link_or_a_pipe_is_no_pickle(stored: tuple[Any, list[Path]]) -> None:
    manager, (file, *_, base) = stored
    aside = file.rename(base / "aside")
    file.symlink_to(aside)
    with pytest.raises(OSError, match="result"):
        manager.load_input(INPUT)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(StrangerError, match="no regular file"):
        manager.load_input(INPUT)


_PLANT = """
import os, sys
path, content = sys.argv[1:]
os.unlink(path)
with open(path, "wb") as file:
    file.write(bytes.fromhex(content))
print(os.getuid())
"""


def test_a_pickle_that_a_stranger_planted_never_runs() -> None:
    with open_to_all() as shared:
        file = shared / "r/load/result"
        manager = FilesystemIOManager(base_dir=str(shared))
        manager.handle_output(result(), 1)
        for path in (shared, file.parent.parent, file.parent):
            path.chmod(0o777)
        content = pickle.dumps(MakesDirectory(shared / "pwned")).hex()
        assert as_stranger(_PLANT, file, content).strip() == str(STRANGER_UID)
        for mode in (0o777, 0o755):
            for path in (shared, file.parent.parent, file.parent):
                path.chmod(mode)
            with pytest.raises(StrangerError, match=TRUSTED_OWNERS):
                manager.load_input(INPUT)
        assert not (shared / "pwned").exists()


@op
def load() -> str:
    return "value"


@op
def take(text: str) -> str:
    return text.upper()


def test_a_run_says_what_to_do_about_a_file_of_others(
    execute_and_load: Any, tmp_path: Path
) -> None:
    @job(resource_defs={"io_manager": FilesystemIOManager(base_dir=str(tmp_path / "base"))})
    def loading() -> None:
        take(load())

    result = execute_and_load(loading)
    assert result.output_for_node("take") == "VALUE"
    of_stranger(tmp_path / "base" / result.run_id / "load/result")
    with pytest.raises(InputError, match=rf"(?s)load/result belongs to .*{TRUSTED_OWNERS}"):
        result.output_for_node("load")


def test_workers_trust_whom_their_driver_trusts(
    execute: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("setpriv", f"--reuid={STRANGER_UID}", "--clear-groups")
    base = tmp_path / "base"
    base.mkdir()
    os.chown(base, STRANGER_UID, -1)

    @job(resource_defs={"io_manager": FilesystemIOManager(base_dir=str(base))})
    def loading() -> None:
        take(load())

    failed = execute(loading)
    error = failed.failure_data_for_node("take").root
    assert error.cls_name == "DagsterExecutionLoadInputError"
    assert f"{base} belongs to another user (uid {STRANGER_UID})" in error.message
    # Ray has started its workers, so they have no such variable.
    monkeypatch.setenv(TRUSTED_OWNERS, str(STRANGER_UID))
    assert execute(loading).output_for_node("take") == "VALUE"
    monkeypatch.delenv(TRUSTED_OWNERS)
    assert not execute(loading).success


@pytest.fixture(params=[0o000, 0o022, 0o027])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """The user's habits, which give others too much."""
    before = os.umask(request.param)
    yield
    os.umask(before)


def write(base: Path) -> dict[str, int]:
    """Have both managers write a file; return the modes by path from the base directory."""
    FilesystemIOManager(base_dir=str(base)).handle_output(result(), 1)
    ParquetIOManager(base_dir=base.as_uri()).handle_output(result(), pa.table({"n": [1]}))
    below = {str(path.relative_to(base)): path for path in (base, *base.rglob("*"))}
    return {name: stat.S_IMODE(path.stat().st_mode) for name, path in below.items()}


@pytest.mark.usefixtures("umask")
def test_new_files_are_of_their_user_alone(tmp_path: Path) -> None:
    base = tmp_path / "new/base"
    directories = dict.fromkeys((".", "r", "r/load"), 0o700)
    assert write(base) == directories | dict.fromkeys(
        ("r/load/result", "r/load/result.parquet"), 0o600
    )
    assert stat.S_IMODE(base.parent.stat().st_mode) == 0o700


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize(
    ("given", "directory", "file"),
    [(0o755, 0o700, 0o600), (0o1777, 0o700, 0o600), (0o2770, 0o2770, 0o660)],
)
def test_a_directory_of_the_user_keeps_its_mode(
    tmp_path: Path, given: int, directory: int, file: int
) -> None:
    tmp_path.chmod(given)
    modes = write(tmp_path)
    assert modes.pop(".") == given
    assert modes == {
        "r": directory,
        "r/load": directory,
        "r/load/result": file,
        "r/load/result.parquet": file,
    }


class _Pickled(pa.ExtensionType):
    """A type of column as older versions of pyarrow stored it: by its pickle."""

    def __init__(self, content: bytes = b"") -> None:
        self._content = content
        super().__init__(pa.int64(), "arrow.py_extension_type")

    def __arrow_ext_serialize__(self) -> bytes:
        return self._content

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: Any, serialized: bytes) -> Any:
        return cls(serialized)


def test_a_parquet_file_runs_no_code(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")

    kind = _Pickled(pickle.dumps(MakesDirectory(tmp_path / "pwned")))
    column = pa.ExtensionArray.from_storage(kind, pa.array([1, 2], pa.int64()))
    manager = ParquetIOManager(base_dir=str(tmp_path / "base"))
    manager.handle_output(result(), pa.table({"n": column}))
    for wanted in (pa.Table, pandas.DataFrame):
        context = build_input_context(upstream_output=result(), dagster_type=wanted)
        loaded = manager.load_input(context)
        assert list(loaded["n"].to_pylist() if wanted is pa.Table else loaded["n"]) == [1, 2]
    assert not (tmp_path / "pwned").exists()
