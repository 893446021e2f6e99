"""Autoscalers of a cluster, by Ray's own reports."""

from __future__ import annotations

import json

import pytest

from rayexec.cluster.connect import adds_nodes

# As Ray 2.60 writes them: a head started by hand, and one with an autoscaling config.
WATCHES = {"autoscaler_report": {"node_type_mapping": {"b1be07": "node_b1be07"}, "legacy": True}}
ADDS = {"autoscaler_report": {"node_type_mapping": {"ffff00": "ray.head.default"}, "legacy": True}}


@pytest.mark.parametrize(
    ("report", "adds"),
    [
        (None, False),
        ({"load_metrics_report": {}}, False),
        ({"autoscaler_report": None}, False),
        ({"autoscaler_report": {"node_type_mapping": None}}, False),
        (WATCHES, False),
        (ADDS, True),
    ],
)
def test_only_one_with_types_of_nodes_adds_any(
    report: dict[str, object] | None, adds: bool
) -> None:
    assert adds_nodes(None if report is None else json.dumps(report).encode()) is adds
