"""Manifests for KubeRay: a RayCluster, or a RayJob with its own cluster."""

from __future__ import annotations

import json
import posixpath
import shlex
import textwrap
from collections.abc import Iterator

from rayexec.cluster.jobs_api import STOP_WAIT
from rayexec.cluster.manifest_spec import ManifestSpec

__all__ = ["kuberay_manifest"]

_JOBS = "/home/ray/jobs"
STOP_WAIT_S = 3600  # more than any run needs for its end


def kuberay_manifest(spec: ManifestSpec) -> str:
    """Return the manifest of a spec of one of KubeRay's kinds, YAML of one or more documents."""
    documents = [_job(spec) if spec.job is not None else _cluster(spec)]
    if spec.job is not None:
        documents.append(_code(*spec.job, spec.name))
    if spec.home.startswith("/"):
        documents.append(_claim(spec))
    return "---\n".join(documents)


def _cluster(spec: ManifestSpec) -> str:
    return f"""\
# A Ray cluster on Kubernetes, for KubeRay 1.5.1 or later:
#   kubectl apply -f THIS_FILE
#   kubectl exec -it $(kubectl get pod -l ray.io/cluster={spec.name},ray.io/node-type=head \
-o name) -- bash
#   rayexec cluster doctor --address auto                 # in that shell
#   rayexec job execute -f my_job.py --address auto
apiVersion: ray.io/v1
kind: RayCluster
metadata:
  name: {spec.name}
spec:
{textwrap.indent(_cluster_spec(spec), "  ")}"""


def _job(spec: ManifestSpec) -> str:
    assert spec.job is not None
    command = f"rayexec job execute -f {_JOBS}/{shlex.quote(spec.job[0])} --address auto"
    return f"""\
# One run of a job on a Ray cluster of its own, for KubeRay 1.5.1 or later:
#   kubectl apply -f THIS_FILE
#   kubectl get rayjob {spec.name}                     # SUCCEEDED or FAILED, as the run did
#   kubectl logs -f job/{spec.name}                    # what ops print, and the events of the run
apiVersion: ray.io/v1
kind: RayJob
metadata:
  name: {spec.name}
spec:
  # The driver of the run; it runs on the head, and its exit code is that of the run.
  entrypoint: {json.dumps(command)}
  # rayexec itself tries steps again; a second driver would be a second run.
  backoffLimit: 0
  # The cluster goes when the run is over; the records of the run stay in RAYEXEC_HOME.
  shutdownAfterJobFinishes: true
  ttlSecondsAfterFinished: 60
  rayClusterSpec:
{textwrap.indent(_cluster_spec(spec), "    ")}"""


def _cluster_spec(spec: ManifestSpec) -> str:
    return "\n".join([*_general(spec), *_head(spec), "workerGroupSpecs:", *_workers(spec)]) + "\n"


def _general(spec: ManifestSpec) -> Iterator[str]:
    yield "# The Ray of the image, and of each driver."
    yield f'rayVersion: "{spec.ray_version}"'
    yield (
        "# KubeRay makes a token, a secret named after the cluster, and gives it to all pods. "
        "Nobody else is let in."
    )
    yield "authOptions:"
    yield "  mode: token"
    if spec.fewest < spec.most:
        yield "# Adds and removes workers as steps wait; runs wait for them."
        yield "enableInTreeAutoscaling: true"
        yield "autoscalerOptions:"
        yield "  version: v2"
        yield "  idleTimeoutSeconds: 300"


def _head(spec: ManifestSpec) -> Iterator[str]:
    yield "headGroupSpec:"
    yield "  rayStartParams:"
    yield '    dashboard-host: "0.0.0.0"'
    if spec.head_cpus:
        yield "    # Steps run here too."
    else:
        yield "    # No steps here: what they use up must not take the cluster's head along."
    yield f'    num-cpus: "{spec.head_cpus}"'
    if spec.head_cpus:
        yield from _limits(spec, "    ")
    yield from _template(spec, "ray-head", max(2, spec.head_cpus), "  ", is_head=True)


def _limits(spec: ManifestSpec, margin: str) -> Iterator[str]:
    if not spec.resources():
        return
    yield (
        f"{margin}# The limits that all runs share, as custom resources of this one node: on "
        "several nodes, each"
    )
    yield (
        f"{margin}# would have as many. KubeRay hands this to a shell, hence the quotes in quotes."
    )
    yield f"{margin}resources: '{_quoted(spec)}'"


def _quoted(spec: ManifestSpec) -> str:
    """Return the resources in KubeRay's form: JSON with escaped quotes, in quotes for the shell."""
    inner = json.dumps(spec.resources()).replace('"', '\\"')
    return f'"{inner}"'


def _workers(spec: ManifestSpec) -> Iterator[str]:
    if spec.resources() and not spec.head_cpus:
        yield (
            "  # One node, for ever one, that declares the limits; Ray runs the steps that count "
            "in them here."
        )
        yield from _group("limits", 1, 1)
        yield "    rayStartParams:"
        yield from _limits(spec, "      ")
        yield from _template(spec, "ray-worker", spec.cpus, "    ")
    yield "  # All other steps."
    yield from _group("workers", spec.fewest, spec.most)
    yield "    rayStartParams: {}"
    yield from _template(spec, "ray-worker", spec.cpus, "    ")


def _group(name: str, fewest: int, most: int) -> Iterator[str]:
    yield f"  - groupName: {name}"
    yield f"    replicas: {fewest}"
    yield f"    minReplicas: {fewest}"
    yield f"    maxReplicas: {most}"


def _template(
    spec: ManifestSpec, container: str, cpus: int, margin: str, *, is_head: bool = False
) -> Iterator[str]:
    lines = ["template:", "  spec:", "    containers:", f"      - name: {container}"]
    if is_head:
        lines += [
            f"        # Ray {spec.ray_version}, rayexec and what the ops import are in it"
            + (":" if spec.package else "."),
            *(f"        #   {line}" for line in _dockerfile(spec)),
        ]
    lines.append(f"        image: {json.dumps(spec.image)}")
    if is_head:
        lines += ["        ports:"]
        for port, name in ((6379, "gcs"), (8265, "dashboard")):
            lines += [f"          - containerPort: {port}", f"            name: {name}"]
        lines += ["        # Where runs are recorded, and values kept; all nodes reach it."]
    lines += [
        "        env:",
        "          - name: RAYEXEC_HOME",
        f"            value: {json.dumps(spec.home)}",
    ]
    if is_head and spec.job is not None:
        lines += [
            (
                "          # Seconds in which a run that is stopped stores what is needed to "
                "resume it; Ray gives 3."
            ),
            f"          - name: {STOP_WAIT}",
            f'            value: "{STOP_WAIT_S}"',
        ]
    if is_head:
        lines += [
            "        # KubeRay tells Ray the CPUs, and makes /dev/shm as large as the memory."
        ]
    lines += ["        resources:"]
    for bound in ("requests", "limits"):
        lines += [
            f"          {bound}:",
            f'            cpu: "{cpus}"',
            f"            memory: {spec.memory}",
        ]
    mounts, volumes = _volumes(spec)
    lines += [*(["        volumeMounts:", *mounts, "    volumes:", *volumes] if mounts else [])]
    yield from (f"{margin}{line}" for line in lines)


def _dockerfile(spec: ManifestSpec) -> Iterator[str]:
    """Yield the lines that make the image; none where nobody named the package."""
    if spec.package is None:
        return
    yield f"FROM rayproject/ray:{spec.ray_version}"
    package = spec.package
    if spec.wheel is not None:
        package = f"/tmp/{posixpath.basename(spec.wheel)}"
        yield f"COPY {json.dumps([spec.wheel, '/tmp/'])}"
    yield f"RUN pip install {shlex.quote(package)}"


def _volumes(spec: ManifestSpec) -> tuple[list[str], list[str]]:
    mounts, volumes = [], []
    if spec.home.startswith("/"):
        mounts += ["          - name: home", f"            mountPath: {json.dumps(spec.home)}"]
        volumes += [
            "      - name: home",
            "        persistentVolumeClaim:",
            f"          claimName: {spec.name}-home",
        ]
    if spec.job is not None:
        mounts += ["          - name: jobs", f"            mountPath: {_JOBS}"]
        volumes += ["      - name: jobs", "        configMap:", f"          name: {spec.name}-jobs"]
    return mounts, volumes


def _code(name: str, text: str, cluster: str) -> str:
    return f"""\
# The job file, at {_JOBS} on all nodes.
apiVersion: v1
kind: ConfigMap
metadata:
  name: {cluster}-jobs
data:
  {json.dumps(name)}: |2
{textwrap.indent(text.rstrip(), "    ")}
"""


def _claim(spec: ManifestSpec) -> str:
    return f"""\
# The volume of RAYEXEC_HOME, of a storage class that many nodes may write at once \
(NFS, EFS, CephFS).
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {spec.name}-home
spec:
  accessModes: [ReadWriteMany]
  resources:
    requests:
      storage: 100Gi
"""
