"""Manifests for KubeRay against the fields of its CRDs: names, types and required ones."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import kuberay_fields as fields
import pytest

from rayexec.cluster.manifest_model import RayCluster, RayJob

KINDS = fields.kinds()


@pytest.mark.parametrize(("name", "document"), list(fields.shipped()))
def test_what_is_shipped_has_only_fields_that_kuberay_has(
    name: str, document: Mapping[str, Any]
) -> None:
    assert fields.wrong(document, KINDS) == []


def test_whatever_is_generated_has_only_fields_that_kuberay_has() -> None:
    documents = list(fields.generated())
    assert {each["kind"] for each in documents} == set(KINDS)
    assert len(documents) > 100
    for document in documents:
        assert fields.wrong(document, KINDS) == []


def _of(document: dict[str, Any], *path: Any) -> Any:
    for each in path:
        document = document[each]
    return document


_GROUP = ("spec", "workerGroupSpecs", 0)
_POD = (*_GROUP, "template", "spec", "containers", 0)


@pytest.mark.parametrize(
    ("where", "name", "value", "expected"),
    [
        ((), "apiVersion", "ray.io/v1alpha1", ".apiVersion: 'ray.io/v1alpha1' is none of"),
        ((), "kind", "RayClusters", "kind: 'RayClusters'"),
        (("metadata",), "nmae", "x", ".metadata.nmae: no such field"),
        (("metadata",), "name", None, ".metadata.name: None is no string"),
        (("spec", "authOptions"), "mode", "tokens", "is none of ['disabled', 'token']"),
        (("spec", "autoscalerOptions"), "version", "v3", "is none of"),
        (("spec", "autoscalerOptions"), "idleTimeoutSeconds", "300", "'300' is no integer"),
        (_GROUP, "minReplica", 1, "minReplica: no such field"),
        (_GROUP, "replicas", True, "True is no integer"),
        ((*_GROUP, "rayStartParams"), "num-cpus", 2, "2 is no string"),
        (_POD, "volumeMount", [], "volumeMount: no such field"),
        (_POD, "env", {"name": "x"}, "is no list"),
        (
            ("spec", "headGroupSpec", "template", "spec", "containers", 0, "ports", 0),
            "port",
            1,
            "port: no such field",
        ),
        ((*_POD, "resources", "limits"), "memory", "32 GB", "'32 GB' is not of the form"),
        (_POD, "securityContext", {"runAsUser": 0}, "is not recorded"),
    ],
)
def test_a_field_that_kuberay_has_not_is_found(
    where: tuple[Any, ...], name: str, value: Any, expected: str
) -> None:
    document = copy.deepcopy(dict(fields.shipped())["kuberay-raycluster.yaml"])
    assert isinstance(document, dict)
    _of(document, *where)[name] = value
    (mistake,) = fields.wrong(document, KINDS)
    assert expected in mistake


@pytest.mark.parametrize("name", ["apiVersion", "kind", "metadata", "spec"])
def test_what_must_be_there_is_missed(name: str) -> None:
    documents = [document for _, document in fields.shipped()]
    for document in [each for each in documents if name in each]:
        assert fields.wrong({key: each for key, each in document.items() if key != name}, KINDS)
    assert ".spec.headGroupSpec: missing" in fields.wrong(dict(documents[0]) | {"spec": {}}, KINDS)


# Our own model of them.

_JSON_TYPES = {"string": "string", "integer": "integer", "boolean": "boolean"}


def _differences(
    ours: Mapping[str, Any], theirs: Any, definitions: Mapping[str, Any], path: str
) -> Iterator[str]:
    if "$ref" in ours:
        ours = definitions[ours["$ref"].rpartition("/")[2]]
    if "anyOf" in ours:  # or None, which means left out
        (ours,) = [each for each in ours["anyOf"] if each.get("type") != "null"]
        yield from _differences(ours, theirs, definitions, path)
    elif "properties" in ours:
        if "values" in theirs:  # what a pod asks for, by names of resources
            theirs = {"fields": dict.fromkeys(ours["properties"], theirs["values"])}
        for name, each in ours["properties"].items():
            if name not in theirs["fields"]:
                yield f"{path}.{name}: no such field"
            else:
                yield from _differences(each, theirs["fields"][name], definitions, f"{path}.{name}")
        yield from (
            f"{path}.{name}: must be there"
            for name in theirs.get("required", ())
            if name not in ours.get("required", ())
        )
    elif ours["type"] == "array":
        yield from _differences(ours["items"], theirs["items"], definitions, f"{path}[]")
    elif ours["type"] == "object":
        yield from _differences(
            ours["additionalProperties"], theirs["values"], definitions, f"{path}.*"
        )
    else:
        kind = theirs if isinstance(theirs, str) else theirs["type"]
        if kind not in (ours["type"], "int-or-string"):
            yield f"{path}: {ours['type']}, but KubeRay has {kind}"
        allowed = ours.get("enum", [ours["const"]] if "const" in ours else [])
        if (
            not isinstance(theirs, str)
            and "enum" in theirs
            and not set(allowed) <= set(theirs["enum"]) - {None}
        ):
            yield f"{path}: {allowed}, but KubeRay has {theirs['enum']}"
        if not allowed and not isinstance(theirs, str) and "enum" in theirs:
            yield f"{path}: anything, but KubeRay has {theirs['enum']}"


@pytest.mark.parametrize("model", [RayCluster, RayJob])
def test_our_model_of_a_manifest_allows_nothing_that_kuberay_has_not(
    model: type[RayCluster | RayJob],
) -> None:
    schema = model.model_json_schema()
    assert list(_differences(schema, KINDS[model.__name__], schema["$defs"], "")) == []


class _Misspelt(RayCluster):
    stats: str


def test_a_field_of_our_model_that_kuberay_has_not_is_found() -> None:
    misspelt = _Misspelt.model_json_schema()
    assert list(_differences(misspelt, KINDS["RayCluster"], misspelt["$defs"], "")) == [
        ".stats: no such field"
    ]
    schema = RayCluster.model_json_schema()
    schema["$defs"]["_AutoscalerOptions"]["properties"]["version"]["enum"].append("v3")
    schema["$defs"]["_AuthOptions"]["properties"]["mode"] = {"type": "integer"}
    schema["$defs"]["_Group"]["required"].remove("groupName")
    assert [
        each.partition(":")[0]
        for each in _differences(schema, KINDS["RayCluster"], schema["$defs"], "")
    ] == [
        ".spec.authOptions.mode",
        ".spec.authOptions.mode",
        ".spec.autoscalerOptions.version",
        ".spec.workerGroupSpecs[].groupName",
    ]
