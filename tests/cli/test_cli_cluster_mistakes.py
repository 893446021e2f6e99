"""Mistakes in the description of a cluster to start, reported together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from user_machine import Machine, machine_at

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="reads the process table from /proc"
)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with machine_at(tmp_path) as machine:
        yield machine


def test_all_mistakes_are_told_at_once(machine: Machine) -> None:
    file = machine.home / "bad.yaml"
    file.write_text("nodes: 0\nlimit: {}\nlimits: {'a=': 1, b: 0, c: x}\npools: {'a b': 1}\n")
    asked = [
        "--limit",
        "nothing",
        "--limit",
        "=v:1",
        "--limit",
        "k:0",
        "--limit",
        "j:1.5",
        "--pool",
        "p q:1",
    ]
    asked += ["--nodes", "none", "--num-cpus", "-2", "--port", "70000"]
    code, stdout, stderr = machine.run("cluster", "up", str(file), *asked)
    assert (code, stdout) == (2, "")
    first, *rest = stderr.splitlines()
    assert first == f"Error: {len(rest)} mistakes in what is asked for:"
    beginnings = [
        f"{file}: nodes: ",
        f"{file}: limit: unknown key",
        f"{file}: limits: a=: ",
        f"{file}: limits: b: ",
        f"{file}: limits: c: ",
        f"{file}: pools: a b: ",
        "--limit nothing: the number is missing",
        "--limit =v:1: the tag's key is missing",
        "--limit k:0: N is a whole number of at least 1",
        "--limit j:1.5: ",
        "--pool p q:1: ",
        "--nodes: ",
        "--num-cpus: ",
        "--port: ",
    ]
    for beginning in beginnings:
        assert sum(line.startswith(f"  {beginning}") for line in rest) == 1, beginning
    assert not machine.state.parent.exists()


@pytest.mark.parametrize(
    ("text", "said"), [(None, "No such file"), ("- 1", "is a mapping"), ("a: [", "line 1")]
)
def test_a_file_that_cannot_be_read_is_told_with_the_rest(
    machine: Machine, text: str | None, said: str
) -> None:
    file = machine.home / "cluster.yaml"
    if text is not None:
        file.write_text(text)
    code, _, stderr = machine.run("cluster", "up", str(file), "--nodes", "x")
    assert code == 2
    assert said in stderr
    assert "--nodes" in stderr
