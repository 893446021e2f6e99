"""The fields of KubeRay's kinds, taken from its CRDs into ``kuberay_fields.json``, and what is
wrong by them.

    cd tests/cluster; python kuberay_fields.py CRD_DIRECTORY WHERE_FROM > kuberay_fields.json

makes the file again. Of what Kubernetes has, only what our manifests use and what stands beside it
is recorded.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from rayexec.cluster.manifest import manifest
from rayexec.cluster.manifest_spec import read_manifest_spec

FILE = Path(__file__).with_name("kuberay_fields.json")
ROOT = Path(__file__).parents[2]
_CRDS = {"RayCluster": "ray.io_rayclusters.yaml", "RayJob": "ray.io_rayjobs.yaml"}
_TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "number": (int, float),
    "int-or-string": (int, str),
}
_NOT_RECORDED = "..."
# Kubernetes checks these for every kind; a CRD leaves them out.
_METADATA = {"name": "string", "namespace": "string"} | {
    name: {"values": "string"} for name in ("labels", "annotations")
}


def generated() -> Iterator[Mapping[str, Any]]:
    """Return all that can be generated for KubeRay: each option with and without."""
    choices: list[list[dict[str, Any]]] = [
        [{}, {"limits": ["database=redshift:2", "api:5"], "pools": ["warehouse:3"]}],
        [{}, {"workers": "3"}, {"workers": "0:4"}],
        [{}, {"head_cpus": "6"}],
        [{"home": "s3://bucket/rayexec"}, {"home": "/mnt/rayexec"}],
        [{}, {"cpus": "8", "memory": "32Gi", "name": "etl", "ray_version": "2.55.0"}],
    ]
    always = {"image": "registry.example.com/rayexec:1"}
    for kind, job in (("kuberay", None), ("kuberay-job", ("my_job.py", "x = 1\n"))):
        for options in itertools.product(*choices):
            spec, problems = read_manifest_spec(
                {"kind": kind, **always, **{k: v for each in options for k, v in each.items()}}, job
            )
            assert not problems
            yield from yaml.safe_load_all(manifest(spec))


def shipped() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return the documents of the files in ``clusters``, and the example of the pages as the group
    that it adds.
    """
    for path in sorted((ROOT / "clusters").glob("kuberay-*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            yield path.name, document
    page = (ROOT / "docs/coming-from-dagster.md").read_text()
    (example,) = re.findall(r"```yaml\n(workerGroupSpecs:.*?)```", page, re.DOTALL)
    cluster = yaml.safe_load((ROOT / "clusters/kuberay-raycluster.yaml").read_text())
    cluster["spec"]["workerGroupSpecs"] += yaml.safe_load(example)["workerGroupSpecs"]
    yield "coming-from-dagster.md", cluster


def kinds() -> Mapping[str, Any]:
    """Return the recorded fields of each kind."""
    schema: Mapping[str, Any] = json.loads(FILE.read_text())["kinds"]
    return schema


def wrong(document: Mapping[str, Any], recorded: Mapping[str, Any]) -> list[str]:
    """Return the fields of a document that Kubernetes would refuse or drop without a word."""
    kind = recorded.get(str(document.get("kind")))
    return [f"kind: {document.get('kind')!r}"] if kind is None else list(_wrong(document, kind, ""))


def _wrong(value: Any, node: Any, path: str) -> Iterator[str]:
    if isinstance(node, str):
        name = node.removesuffix(_NOT_RECORDED)
        if node != name:
            yield f"{path}: what is in it is not recorded, make {FILE.name} again"
        elif not isinstance(value, _TYPES[name]) or (isinstance(value, bool) and name != "boolean"):
            yield f"{path}: {value!r} is no {name}"
    elif "fields" in node:
        if not isinstance(value, Mapping):
            yield f"{path}: {value!r} is no object"
            return
        yield from (
            f"{path}.{name}: missing" for name in node.get("required", ()) if name not in value
        )
        for name, each in value.items():
            if name in node["fields"]:
                yield from _wrong(each, node["fields"][name], f"{path}.{name}")
            else:
                yield f"{path}.{name}: no such field"
    elif "values" in node:
        if not isinstance(value, Mapping):
            yield f"{path}: {value!r} is no object"
            return
        for name, each in value.items():
            yield from _wrong(each, node["values"], f"{path}.{name}")
    elif "items" in node:
        if not isinstance(value, list):
            yield f"{path}: {value!r} is no list"
            return
        for index, each in enumerate(value):
            yield from _wrong(each, node["items"], f"{path}[{index}]")
    else:
        schema = list(_wrong(value, node["type"], path))
        yield from schema
        if schema:
            return
        if value not in node.get("enum", [value]):
            yield f"{path}: {value!r} is none of {node['enum']}"
        if "minimum" in node and value < node["minimum"]:
            yield f"{path}: {value!r} is below {node['minimum']}"
        if "pattern" in node and not re.search(node["pattern"], str(value)):
            yield f"{path}: {value!r} is not of the form {node['pattern']}"


def _record(schema: Mapping[str, Any], used: list[Any]) -> Any:
    """Return what is recorded of a schema, as far in as one of the values goes."""
    if schema.get("x-kubernetes-int-or-string"):
        kind: Any = "int-or-string"
    else:
        kind = schema["type"]
    inner = schema.get("additionalProperties") or schema.get("items")
    if "properties" in schema:
        if not used:
            return kind + _NOT_RECORDED
        fields = {
            name: _record(each, [value[name] for value in used if name in value])
            for name, each in schema["properties"].items()
            if name != "status"
        }
        required = {"required": schema["required"]} if "required" in schema else {}
        return {"fields": fields, **required}
    if isinstance(inner, Mapping):
        if "properties" in inner and not used:
            return kind + _NOT_RECORDED
        is_list = "items" in schema
        more = [each for value in used for each in (value if is_list else value.values())]
        return {"items" if is_list else "values": _record(inner, more)}
    if kind in ("object", "array"):
        return kind + _NOT_RECORDED
    facts = {name: schema[name] for name in ("enum", "minimum", "pattern") if name in schema}
    return {"type": kind, **facts} if facts and (used or "enum" in facts) else kind


def _schema(directory: Path, kind: str) -> Mapping[str, Any]:
    crd = yaml.load((directory / _CRDS[kind]).read_text(), yaml.CSafeLoader)
    (version,) = [each for each in crd["spec"]["versions"] if each["name"] == "v1"]
    schema: Mapping[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def _of_kind(kind: str, api: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    heads = {
        "apiVersion": {"type": "string", "enum": [api]},
        "kind": {"type": "string", "enum": [kind]},
    }
    named = {"fields": _METADATA, "required": ["name"]}
    required = ["apiVersion", "kind", "metadata", *fields]
    return {"fields": heads | {"metadata": named, **fields}, "required": required}


def record(directory: Path, documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the fields of each kind by the CRDs in a directory that the documents use."""
    given = list(documents)
    used = {
        kind: [each for each in given if each["kind"] == kind]
        for kind in {each["kind"] for each in given}
    }
    schema = {}
    for kind in _CRDS:
        spec = _record(_schema(directory, kind), used[kind])["fields"]["spec"]
        schema[kind] = _of_kind(kind, "ray.io/v1", {"spec": spec})
    # A pod may have a claim of its own, so that its fields stand in the CRD as well.
    pod = _schema(directory, "RayCluster")["properties"]["spec"]["properties"]["headGroupSpec"][
        "properties"
    ]["template"]
    volume = pod["properties"]["spec"]["properties"]["volumes"]["items"]["properties"]
    claim = volume["ephemeral"]["properties"]["volumeClaimTemplate"]["properties"]["spec"]
    spec = _record(claim, [each["spec"] for each in used["PersistentVolumeClaim"]])
    schema["PersistentVolumeClaim"] = _of_kind("PersistentVolumeClaim", "v1", {"spec": spec})
    schema["ConfigMap"] = _of_kind("ConfigMap", "v1", {"data": {"values": "string"}})
    return schema


if __name__ == "__main__":
    documents = [*generated(), *(document for _, document in shipped())]
    whole = {"from": sys.argv[2], "kinds": record(Path(sys.argv[1]), documents)}
    print(json.dumps(whole, indent=1, sort_keys=True))
