"""Fields of cluster manifests, and the rule of one node for each limit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rayexec.definitions.concurrency import LIMIT_PREFIX, POOL_PREFIX

__all__ = ["ClusterLauncherFile", "RayCluster", "RayJob", "problems_of"]

_QUANTITY = r"^\d+(\.\d+)?(m|Mi|Gi|Ti)?$"
_DECLARED = re.compile(r"--resources=(?:\"(?P<double>(?:[^\"\\]|\\.)*)\"|'(?P<single>[^']*)')")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Lax(BaseModel):  # Kubernetes checks its other fields itself
    model_config = ConfigDict(extra="allow", frozen=True)


class _Variable(_Strict):
    name: str
    value: str


class _Amounts(_Strict):
    cpu: str = Field(pattern=_QUANTITY)
    memory: str = Field(pattern=_QUANTITY)


class _Requests(_Strict):
    requests: _Amounts
    limits: _Amounts


class _Container(_Lax):
    name: str
    image: str
    env: list[_Variable]
    resources: _Requests


class _PodSpec(_Lax):
    containers: Annotated[list[_Container], Field(min_length=1)]


class _PodTemplate(_Lax):
    spec: _PodSpec


class _Head(_Strict):
    rayStartParams: dict[str, str]
    template: _PodTemplate


class _Group(_Strict):
    groupName: str
    replicas: int = Field(ge=0)
    minReplicas: int = Field(ge=0)
    maxReplicas: int = Field(ge=1)
    numOfHosts: int = Field(default=1, ge=1)
    rayStartParams: dict[str, str]
    template: _PodTemplate


class _AuthOptions(_Strict):
    mode: Literal["token"]


class _AutoscalerOptions(_Strict):
    version: Literal["v1", "v2"]
    idleTimeoutSeconds: int = Field(ge=0)


class _ClusterSpec(_Strict):
    rayVersion: str
    authOptions: _AuthOptions
    enableInTreeAutoscaling: bool = False
    autoscalerOptions: _AutoscalerOptions | None = None
    headGroupSpec: _Head
    workerGroupSpecs: list[_Group]


class _Metadata(_Strict):
    name: str


class RayCluster(_Strict):
    """Fields of KubeRay's RayCluster in our manifests."""

    apiVersion: Literal["ray.io/v1"]
    kind: Literal["RayCluster"]
    metadata: _Metadata
    spec: _ClusterSpec


class _JobSpec(_Strict):
    entrypoint: str
    backoffLimit: int = Field(ge=0)
    shutdownAfterJobFinishes: bool
    ttlSecondsAfterFinished: int = Field(ge=0)
    rayClusterSpec: _ClusterSpec


class RayJob(_Strict):
    """Fields of KubeRay's RayJob in our manifests."""

    apiVersion: Literal["ray.io/v1"]
    kind: Literal["RayJob"]
    metadata: _Metadata
    spec: _JobSpec


class _NodeType(_Strict):
    min_workers: int = Field(default=0, ge=0)
    max_workers: int | None = Field(default=None, ge=0)
    resources: dict[str, int]
    node_config: dict[str, Any]


class _Provider(_Strict):
    type: Literal["aws", "local"]
    region: str | None = None
    head_ip: str | None = None
    worker_ips: list[str] = Field(default_factory=list)


class _Docker(_Strict):
    image: str
    container_name: str
    run_options: list[str]


class ClusterLauncherFile(_Strict):
    """Fields of a file for ``ray up`` in our manifests."""

    cluster_name: str
    provider: _Provider
    auth: dict[str, str]
    min_workers: int | None = Field(default=None, ge=0)
    max_workers: int = Field(ge=0)
    idle_timeout_minutes: int | None = Field(default=None, ge=0)
    head_node_type: str | None = None
    available_node_types: dict[str, _NodeType] = Field(default_factory=dict)
    docker: _Docker | None = None
    file_mounts: dict[str, str]
    setup_commands: list[str]
    head_setup_commands: list[str] = Field(default_factory=list)
    head_start_ray_commands: list[str]
    worker_start_ray_commands: list[str]


_MODELS: Mapping[str | None, type[BaseModel]] = {
    "RayCluster": RayCluster,
    "RayJob": RayJob,
    None: ClusterLauncherFile,
}


def problems_of(document: Mapping[str, Any]) -> list[str]:
    """Return the mistakes in a manifest: in its fields, and limits not on exactly one node."""
    model = _MODELS.get(document.get("kind"))
    if model is None:
        return [f"kind {document.get('kind')!r} is none of RayCluster and RayJob."]
    try:
        read = model.model_validate(document)
    except ValidationError as error:
        return [
            f"{'.'.join(map(str, mistake['loc']))}: {mistake['msg']}" for mistake in error.errors()
        ]
    try:
        return _not_once(list(_declared(read)))
    except (ValueError, AttributeError) as error:
        return [f"the resources of a node cannot be read: {error}."]


# A limit, the nodes with its declaration, their greatest count, and Ray's CPUs there (None: all of
# the machine).
_Declared = tuple[str, str, int, int | None]


def _declared(read: BaseModel) -> Iterator[_Declared]:
    if isinstance(read, ClusterLauncherFile):
        yield from _declared_for_launcher(read)
        return
    assert isinstance(read, (RayCluster, RayJob))
    spec = read.spec if isinstance(read, RayCluster) else read.spec.rayClusterSpec
    head = spec.headGroupSpec
    for name in _limits(_unquoted(head.rayStartParams)):
        yield name, "the head", 1, _cpus(head.rayStartParams)
    for group in spec.workerGroupSpecs:
        fixed = group.minReplicas == group.replicas == group.maxReplicas
        nodes = group.maxReplicas * group.numOfHosts
        for name in _limits(_unquoted(group.rayStartParams)):
            # A group may have no node for a while, and then there is no limit.
            count = nodes if fixed else max(2, nodes)
            yield name, f"the group {group.groupName}", count, _cpus(group.rayStartParams)


def _unquoted(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the resources of KubeRay's ``rayStartParams``, which are JSON in shell quotes."""
    given = parameters.get("resources")
    if given is None:
        return {}
    if given[:1] == given[-1:] == '"':
        return dict(json.loads(given[1:-1].replace("\\", "")))
    if given[:1] == given[-1:] == "'":
        return dict(json.loads(given[1:-1]))
    raise ValueError(f'write resources as \'"{{\\"{LIMIT_PREFIX}KEY\\": 2}}"\', got {given}')


def _cpus(parameters: Mapping[str, str]) -> int | None:
    return int(parameters["num-cpus"]) if "num-cpus" in parameters else None


def _declared_for_launcher(file: ClusterLauncherFile) -> Iterator[_Declared]:
    for name, node in file.available_node_types.items():
        is_head = name == file.head_node_type
        fixed = is_head or node.min_workers == node.max_workers
        count = (
            1
            if is_head
            else (node.min_workers if fixed else max(2, node.max_workers or file.max_workers))
        )
        for limit in _limits(node.resources):
            yield limit, f"the node type {name}", count, node.resources.get("CPU")
    workers = len(file.provider.worker_ips) if file.provider.type == "local" else file.max_workers
    for limit in _commanded(file.head_start_ray_commands):
        yield limit, "the head", 1, _commanded_cpus(file.head_start_ray_commands)
    for limit in _commanded(file.worker_start_ray_commands):
        yield limit, "all workers", workers, _commanded_cpus(file.worker_start_ray_commands)


def _commanded(commands: Sequence[str]) -> list[str]:
    resources: dict[str, Any] = {}
    for option in _DECLARED.finditer(" ".join(commands)):
        double = option["double"]
        resources |= json.loads(option["single"] if double is None else double.replace("\\", ""))
    return _limits(resources)


def _commanded_cpus(commands: Sequence[str]) -> int | None:
    option = re.search(r"--num-cpus=(\d+)", " ".join(commands))
    return int(option[1]) if option else None


def _limits(resources: Mapping[str, Any]) -> list[str]:
    return [name for name in resources if name.startswith((LIMIT_PREFIX, POOL_PREFIX))]


def _not_once(declared: Sequence[_Declared]) -> list[str]:
    problems = []
    owners: dict[str, list[str]] = {}
    for name, owner, nodes, cpus in declared:
        owners.setdefault(name, []).append(owner)
        if nodes != 1:
            problems.append(
                f"{name} is declared on {owner}, which is not exactly one node at all times; each "
                "node would have a limit of its own. Declare it on the head or on a group of one "
                "node that does not grow."
            )
        if cpus == 0:
            problems.append(
                f"{name} is declared on {owner}, which has no CPUs for the steps that count in it."
            )
    problems += [
        f"{name} is declared on {' and on '.join(where)}; each would have a limit of its own. "
        "Declare it once."
        for name, where in owners.items()
        if len(where) > 1
    ]
    return problems
