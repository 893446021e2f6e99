"""IO managers that name no place: files beside the runs, and values in memory."""

import stat
from pathlib import Path
from typing import Any

import pytest

from rayexec import (
    FilesystemIOManager,
    InMemoryIOManager,
    Out,
    build_input_context,
    build_output_context,
    custom_path_fs_io_manager,
    fs_io_manager,
    job,
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
