"""IO managers that name no place: files beside the runs, and values in memory."""

import io
import stat
from pathlib import Path
from typing import Any

import pytest

from rayexec import (
    FilesystemIOManager,
    InMemoryIOManager,
    LocalFileHandle,
    Out,
    build_input_context,
    build_output_context,
    custom_path_fs_io_manager,
    fs_io_manager,
    job,
    local_file_manager,
    mem_io_manager,
    op,
)


@op
def made() -> int:
    return 1


@op
def use(x: int) -> int:
    return x + 1


def storing(manager: Any) -> Any:
    @job(resource_defs={"io_manager": manager})
    def stores() -> None:
        use(made())

    return stores


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def files(directory: Path, run_id: str = "") -> list[str]:
    found = [each for each in directory.rglob("*") if each.is_file()]
    return sorted(str(each.relative_to(directory)).replace(run_id or "?", "RUN") for each in found)


@pytest.mark.parametrize("manager", [fs_io_manager, FilesystemIOManager()])
def test_files_are_below_the_home_for_this_user_alone(manager: Any, home: Path) -> None:
    result = storing(manager).execute_in_process()
    assert result.output_for_node("use") == 2
    assert files(home / "storage", result.run_id) == ["RUN/made/result", "RUN/use/result"]
    assert stat.S_IMODE((home / "storage").stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "storage" / result.run_id / "use/result").stat().st_mode) == 0o600


def test_workers_use_the_place_of_their_driver(execute: Any, home: Path) -> None:
    result = execute(storing(FilesystemIOManager()))
    assert result.output_for_node("use") == 2
    assert files(home / "storage", result.run_id) == ["RUN/made/result", "RUN/use/result"]


@pytest.mark.parametrize("manager", [fs_io_manager, FilesystemIOManager()])
def test_run_config_names_another_place(manager: Any, home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    config = {"resources": {"io_manager": {"config": {"base_dir": str(other)}}}}
    assert storing(manager).execute_in_process(config).output_for_node("use") == 2
    assert len(files(other)) == 2
    fixed = fs_io_manager.configured({"base_dir": str(other)})
    assert storing(fixed).execute_in_process().output_for_node("use") == 2
    assert len(files(other)) == 4
    assert not (home / "storage").exists()


def test_outputs_name_their_own_files(tmp_path: Path) -> None:
    @op(out=Out(metadata={"path": "a/b.pkl"}))
    def named() -> int:
        return 5

    @op(out=Out(metadata={"path": "../c"}))
    def outside() -> int:
        return 5

    manager = custom_path_fs_io_manager.configured({"base_dir": str(tmp_path)})

    @job(resource_defs={"io_manager": manager})
    def names() -> None:
        named()

    @job(resource_defs={"io_manager": manager})
    def names_no_place() -> None:
        outside()

    assert names.execute_in_process().output_for_node("named") == 5
    assert files(tmp_path) == ["a/b.pkl"]
    for wrong in (names_no_place, storing(manager)):
        with pytest.raises(Exception, match="must name its file below base_dir"):
            wrong.execute_in_process()
    assert files(tmp_path) == ["a/b.pkl"]


def test_values_stay_in_memory(execute: Any, home: Path) -> None:
    result = execute(storing(mem_io_manager))
    assert result.output_for_node("use") == 2
    assert not (home / "storage").exists()


def test_a_manager_in_memory_of_ones_own() -> None:
    manager = InMemoryIOManager()
    result = storing(manager).execute_in_process()
    assert manager.values[result.run_id, "made", "result"] == 1
    output = build_output_context("s", "n", run_id="r")
    manager.handle_output(output, 5)
    assert manager.load_input(build_input_context(upstream_output=output)) == 5
    with pytest.raises(LookupError, match="mem_io_manager"):
        InMemoryIOManager().load_input(build_input_context(upstream_output=output))


@pytest.mark.parametrize("is_configured", [True, False])
def test_files_with_handles(is_configured: bool, home: Path, tmp_path: Path) -> None:
    @op(required_resource_keys={"file_manager"})
    def write_files(context: Any) -> Any:
        files = context.resources.file_manager
        return [files.write_data(b"foo", ext="txt"), files.write(io.StringIO("bar"), mode="w")]

    @op(required_resource_keys={"file_manager"})
    def read_files(context: Any, handles: Any) -> Any:
        files = context.resources.file_manager
        copied = files.copy_handle_to_local_temp(handles[0])
        with files.read(handles[1], mode="r") as opened:
            return Path(copied).read_bytes(), opened.read(), files.read_data(handles[1]), copied

    @job(resource_defs={"file_manager": local_file_manager})
    def filing() -> None:
        read_files(write_files())

    config = {"resources": {"file_manager": {"config": {"base_dir": str(tmp_path / "own")}}}}
    result = filing.execute_in_process(config if is_configured else None)
    first, second = result.output_for_node("write_files")
    assert isinstance(first, LocalFileHandle)
    base = tmp_path / "own" if is_configured else home / "storage" / "file_manager"
    assert {Path(each.path).parent for each in (first, second)} == {base}
    assert (first.path[-4:], first.path_desc) == (".txt", first.path)
    assert stat.S_IMODE(Path(first.path).stat().st_mode) == 0o600
    *read, copied = result.output_for_node("read_files")
    assert read == [b"foo", "bar", b"bar"]
    assert not Path(copied).exists()
