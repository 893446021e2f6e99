"""Findings of the doctor, from facts without a cluster."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rayexec.cluster import node_facts
from rayexec.cluster.doctor import Facts, Finding, NodeFacts, examine

_GIB = 1024**3
HERE = NodeFacts("this machine", python="3.11.7", ray="2.60.0", rayexec="0.1.0", disk=(100, 50))
HEAD = replace(
    HERE, name="head", is_head=True, resources={"CPU": 0.0, "object_store_memory": 1.0 * _GIB}
)
HEAD = replace(HEAD, shared_memory=(2 * _GIB, _GIB), open_files=65536)
LIMITS = replace(
    HEAD, name="l", is_head=False, resources={**(HEAD.resources or {}), "CPU": 4.0, "limit:db": 2.0}
)
WORKER = replace(HEAD, name="w", is_head=False, resources={**(HEAD.resources or {}), "CPU": 4.0})
SOUND = Facts(HERE, "s3://b/x", False, address="h:6379", token="t", dashboard=("h:8265", True))
SOUND = replace(SOUND, nodes=(HEAD, LIMITS, WORKER))


def _trouble(facts: Facts) -> list[Finding]:
    return [each for each in examine(facts) if each.level != "ok"]


def test_a_sound_cluster_has_one_line_for_each_check_and_no_trouble() -> None:
    findings = examine(SOUND)
    assert _trouble(SOUND) == []
    assert [each.check for each in findings] == [
        *("reach", "token", "dashboard", "python", "ray", "rayexec", "packages", "store", "disk"),
        *("shared memory", "open files", "clocks", "cpus", "limits"),
    ]
    assert findings[-2].text == "8 in all (none on the head)"


@pytest.mark.parametrize(
    ("changed", "check", "level", "said"),
    [
        ({"python": "3.12.1"}, "python", "problem", "3.12.1 on w"),
        ({"ray": "2.55.0"}, "ray", "problem", "2.55.0 on w"),
        ({"rayexec": "0.2.0"}, "rayexec", "problem", "0.2.0 on w"),
        ({"rayexec": None, "rayexec_error": "no module"}, "rayexec", "problem", "w (no module)"),
        (
            {"rayexec": None, "namesake": "/s/rayexec/__init__.py, rayexec 0.0.122"},
            "rayexec",
            "problem",
            "another project has this name on w (/s/rayexec/__init__.py, rayexec 0.0.122)",
        ),
        ({"missing": ("pyarrow",)}, "packages", "problem", "pyarrow is missing on w"),
        ({"sees_marker": False}, "store", "problem", "another place on w"),
        ({"store_error": "read-only"}, "store", "problem", "w (read-only)"),
        ({"disk": (100, 4)}, "disk", "problem", "5% of the disk is free on w"),
        ({"disk": (100, 9)}, "disk", "warning", "10% of the disk is free on w"),
        ({"shared_memory": (64 * 1024**2, 1)}, "shared memory", "warning", "object store on w"),
        ({"open_files": 1024}, "open files", "warning", "1,024 files may be open on w"),
        ({"skew": 1.5}, "clocks", "warning", "w is 1.5 s ahead"),
        ({"skew": -90.0}, "clocks", "warning", "w is 90.0 s behind"),
        ({"error": "gone"}, "nodes", "problem", "w: gone"),
        (
            {"resources": {"CPU": 4.0, "limit:db": 2.0}},
            "limits",
            "problem",
            "limit:db is declared on 2 nodes (l, w)",
        ),
        (
            {"resources": {"pool:p": 2.0}},
            "limits",
            "problem",
            "pool:p is declared on w without a CPU",
        ),
        (
            {"resources": {"CPU": 1.0, "object_store_memory": 9.0}},
            "object store",
            "warning",
            "of w is below",
        ),
    ],
)
def test_each_trouble_of_a_node_is_told_once_with_what_to_do(
    changed: dict[str, Any], check: str, level: str, said: str
) -> None:
    (finding,) = _trouble(replace(SOUND, nodes=(HEAD, LIMITS, replace(WORKER, **changed))))
    assert (finding.check, finding.level) == (check, level)
    assert said in finding.text
    assert finding.advice


def test_another_patch_of_python_is_no_trouble() -> None:
    assert _trouble(replace(SOUND, nodes=(HEAD, replace(WORKER, python="3.11.2")))) == []


def test_a_store_that_nobody_named_is_only_warned_of() -> None:
    blind = replace(WORKER, sees_marker=False)
    (finding,) = _trouble(
        replace(SOUND, home="~/.rayexec", home_is_default=True, nodes=(HEAD, LIMITS, blind))
    )
    assert (finding.check, finding.level) == ("store", "warning")


@pytest.mark.parametrize(
    ("changed", "check", "level"),
    [
        ({"unreachable": "no Ray answers"}, "reach", "problem"),
        ({"store_error": "read-only"}, "store", "problem"),
        ({"token_is_open": True}, "token", "warning"),
        ({"token_is_open": True, "is_loopback": True}, "token", "warning"),
        ({"token_readers": "/home/a/.ray/auth_token"}, "token", "warning"),
        ({"dashboard": ("h:8265", False)}, "dashboard", "warning"),
        ({"nodes": (HEAD,)}, "cpus", "problem"),
        (
            {
                "nodes": (
                    replace(LIMITS, is_head=True),
                    *(replace(WORKER, name=f"{n}") for n in range(3)),
                )
            },
            "cpus",
            "warning",
        ),
        ({"address": None, "driver": replace(HERE, ray=None)}, "ray", "problem"),
        ({"address": None, "driver": replace(HERE, python="3.9.1")}, "python", "problem"),
    ],
)
def test_trouble_of_the_whole(changed: dict[str, Any], check: str, level: str) -> None:
    (finding,) = _trouble(replace(SOUND, **changed))
    assert (finding.check, finding.level) == (check, level)
    assert finding.advice or finding.text == "no Ray answers"


def test_without_a_cluster_this_machine_is_looked_at() -> None:
    findings = examine(replace(SOUND, address=None, nodes=()))
    assert "this machine alone" in findings[0].text
    assert {each.level for each in findings} == {"ok"}
    assert "nodes" not in " ".join(each.text for each in findings[1:])


# Run where rayexec cannot be imported, as it may be on a node.
_ELSEWHERE = """
import sys
sys.modules["rayexec"] = None
from ray import cloudpickle
facts = cloudpickle.loads(bytes.fromhex(sys.argv[1]))(sys.argv[2], "marker")
assert facts["rayexec"] is None and "rayexec" in facts["rayexec_error"], facts
assert facts["sees_marker"] and facts["store_error"] is None, facts
"""


def test_a_node_without_rayexec_can_be_asked(tmp_path: Path) -> None:
    from ray import cloudpickle

    (tmp_path / "marker").touch()
    cloudpickle.register_pickle_by_value(node_facts)
    try:
        task = cloudpickle.dumps(node_facts.node_facts).hex()
    finally:
        cloudpickle.unregister_pickle_by_value(node_facts)
    command = [sys.executable, "-c", _ELSEWHERE, task, str(tmp_path)]
    subprocess.run(command, check=True, timeout=180)
    assert [path.name for path in tmp_path.iterdir()] == ["marker"]


def test_what_a_node_says_of_a_store_that_it_lacks(tmp_path: Path) -> None:
    assert not node_facts.node_facts(str(tmp_path / "none"), "marker")["sees_marker"]
    facts = node_facts.node_facts("nosuch://x/y", "marker")
    assert not facts["sees_marker"]
    assert facts["store_error"]
