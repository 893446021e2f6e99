"""Specification of a local cluster, from a file and from options."""

from __future__ import annotations

from pathlib import Path

from hypothesis import assume, given
from hypothesis import strategies as st

import rayexec
from rayexec.cluster.declared import read_spec
from rayexec.config.yaml_files import read_yaml
from rayexec.definitions.concurrency import pool_resource, tag_resources

ROOT = Path(rayexec.__file__).parents[1]


@given(key=st.text(min_size=1), value=st.text(), limit=st.integers(1, 10**9))
def test_a_limit_is_split_at_the_last_colon_and_the_first_equals_sign(
    key: str, value: str, limit: int
) -> None:
    assume("=" not in key and "," not in key + value)
    typed = f"{key}={value}" if value else key
    spec, problems = read_spec({}, {"limits": [f"{typed}:{limit}"]})
    assert not problems
    assert spec.resources() == {tag_resources(key, value)[bool(value)]: limit}
    assert read_spec({"limits": {typed: limit}}, {})[0] == spec


@given(st.text())
def test_whatever_is_typed_is_read_or_told(typed: str) -> None:
    spec, problems = read_spec({}, {"limits": [typed], "pools": [typed], "nodes": typed})
    reported = {problem.path[0] for problem in problems}
    assert bool(spec.limits) or any(each.startswith("--limit") for each in reported)
    assert bool(spec.pools) or any(each.startswith("--pool") for each in reported)
    assert spec.nodes >= 1 or "--nodes" in reported
    assert all(name and "," not in name for name in spec.limits) or problems


def test_options_replace_the_limits_of_the_file_by_name() -> None:
    document = {"nodes": 2, "dashboard": True, "limits": {"a": 1, "b=c": 2}, "pools": {"w-x": 1}}
    options = {"limits": ["a:5", "d:e:6"], "num_cpus": "3", "dashboard": False, "port": None}
    spec, problems = read_spec(document, options)
    assert not problems
    assert spec.resources() == {
        "limit:a": 5,
        "limit:b=c": 2,
        "limit:d:e": 6,
        pool_resource("w-x"): 1,
    }
    assert (spec.nodes, spec.num_cpus, spec.dashboard, spec.port) == (2, 3, False, None)
    assert spec.given == {"nodes", "dashboard", "limits", "pools", "num_cpus"}


def test_the_shipped_file_is_sound() -> None:
    document = read_yaml(str(ROOT / "clusters/local.yaml"), "")
    spec, problems = read_spec(document, {})
    assert not problems
    assert spec.limits
