"""IO managers and dynamic outputs: storing under mapping keys, loading in mapped steps."""

from pathlib import Path
from typing import Any

from json_manager import JsonManager, data_of

from rayexec import DynamicOut, DynamicOutput, FilesystemIOManager, Out, job, op


@op(out=DynamicOut(io_manager_key="files"))
def split() -> Any:
    for index in range(3):
        yield DynamicOutput((index,), mapping_key=f"k{index}")


@op(out=Out(io_manager_key="files"))
def grow(value: Any) -> Any:
    return (*value, len(value))


@op
def same(value: Any) -> Any:
    return value


@op(out=DynamicOut(io_manager_key="files"))
def split_again(value: Any) -> Any:
    for index in range(2):
        yield DynamicOutput((value[0], index), mapping_key=str(index))


def test_values_are_mapped_and_collected(execute_and_load: Any, tmp_path: Path) -> None:
    @job(resource_defs={"files": JsonManager(directory=str(tmp_path))})
    def mapping() -> None:
        pieces = split()
        grown = pieces.map(grow)
        same.alias("mapped")(pieces.map(same).collect())
        same.alias("collected")(grown.collect())
        same.alias("pieces")(pieces.collect())

    result = execute_and_load(mapping)
    assert result.success
    assert result.output_for_node("collected") == [[0, 1], [1, 1], [2, 1]]
    assert result.output_for_node("pieces") == [[0], [1], [2]]
    assert result.output_for_node("mapped") == [[0], [1], [2]]
    assert result.output_for_node("grow") == {"k0": [0, 1], "k1": [1, 1], "k2": [2, 1]}
    assert result.output_for_node("split") == {"k0": [0], "k1": [1], "k2": [2]}
    names = {f"split-result-k{each}.json" for each in range(3)} | {
        f"grow[k{each}]-result.json" for each in range(3)
    }
    assert {each.name for each in tmp_path.iterdir()} == names
    handled = data_of(result, "HANDLED_OUTPUT", "split")
    assert [
        (each.mapping_key, each.manager_key, each.metadata["size"].value) for each in handled
    ] == [(f"k{index}", "files", 3) for index in range(3)]
    assert len(data_of(result, "LOADED_INPUT", "collected")) == 3


def test_below_several_dynamic_outputs(execute: Any, tmp_path: Path) -> None:
    @job(resource_defs={"files": FilesystemIOManager(base_dir=str(tmp_path))})
    def nesting() -> None:
        inner = split().map(split_again)
        same.alias("lists")(inner.map(grow).collect().collect())

    result = execute(nesting)
    assert result.success
    assert result.output_for_node("lists") == [
        [(outer, each, 2) for each in range(2)] for outer in range(3)
    ]
    assert result.output_for_node("split_again")["k2,1"] == (2, 1)
    stored = {
        str(each.relative_to(tmp_path / result.run_id))
        for each in tmp_path.rglob("*")
        if each.is_file()
    }
    assert "split_again%5Bk2%5D/result/1" in stored
    assert "grow%5Bk2%2C1%5D/result" in stored
    assert len(stored) == 3 + 6 + 6


def test_a_dynamic_output_under_the_default_key(execute: Any, tmp_path: Path) -> None:
    @op(out=DynamicOut())
    def parts() -> Any:
        return [DynamicOutput(each, mapping_key=str(each)) for each in range(40)]

    @op
    def add(values: list[int]) -> int:
        return sum(values)

    @job(resource_defs={"io_manager": FilesystemIOManager(base_dir=str(tmp_path))})
    def adding() -> None:
        add(parts().map(same).collect())

    result = execute(adding)
    assert result.output_for_node("add") == sum(range(40))
    assert len([each for each in tmp_path.rglob("*") if each.is_file()]) == 81
