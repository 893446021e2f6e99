"""Generated manifests of clusters: for KubeRay, Ray's launcher and ``rayexec cluster up``."""

from __future__ import annotations

from typing import Any

from rayexec.cluster.kuberay import kuberay_manifest
from rayexec.cluster.launchers import launcher_manifest, local_manifest
from rayexec.cluster.manifest_spec import ManifestSpec

__all__ = ["manifest", "notes"]


def manifest(spec: ManifestSpec) -> str:
    """Return the manifest of a cluster as YAML text, after a check of it."""
    if spec.kind == "local":
        return local_manifest(spec)
    text = kuberay_manifest(spec) if spec.kind.startswith("kuberay") else launcher_manifest(spec)
    _check(text, spec)
    return text


def _check(text: str, spec: ManifestSpec) -> None:
    """Raise ValueError for a wrong text, by a mistake in this package."""
    import yaml

    from rayexec.cluster.manifest_model import problems_of

    documents: list[dict[str, Any]] = list(yaml.safe_load_all(text))
    if problems := problems_of(documents[0]):
        raise ValueError(f"the generated manifest is not sound: {' '.join(problems)}")
    if spec.job is not None and documents[1]["data"][spec.job[0]].rstrip() != spec.job[1].rstrip():
        raise ValueError(f"the text of {spec.job[0]} does not survive YAML")


def notes(spec: ManifestSpec) -> list[str]:
    """Return remarks on surprising effects of a valid request."""
    cpus = spec.cpus if not spec.head_cpus else spec.head_cpus
    if spec.kind == "local":
        return []
    return [
        f"{name} admits {limit} steps, and the node that declares it has {cpus} CPUs: at one CPU "
        f"a step, no more than {cpus} run at once there."
        for name, limit in spec.resources().items()
        if limit > cpus
    ]
