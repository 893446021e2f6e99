"""Generated cluster manifests: the shipped ones, their use by Ray and KubeRay, and mistakes."""

from __future__ import annotations

import copy
import json
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import rayexec
from rayexec.cli.main import app
from rayexec.cluster.declared import read_spec
from rayexec.cluster.manifest import manifest, notes
from rayexec.cluster.manifest_model import problems_of
from rayexec.cluster.manifest_spec import ManifestSpec, read_manifest_spec
from rayexec.config.yaml_files import read_yaml

ROOT = Path(rayexec.__file__).parents[1]
SHIPPED = sorted((ROOT / "clusters").glob("*.yaml"))
LIMITS = {"limit:database=redshift": 2, "limit:api": 5, "pool:warehouse": 3}
_GIVEN = {"limits": ["database=redshift:2", "api:5"], "pools": ["warehouse:3"], "home": "s3://b/x"}
_PACKAGE = {"package": "rayexec-jobs==0.1.0"}
_RAY = {"ray_version": "2.60.0"}  # whichever is installed


def _spec(kind: str, **options: Any) -> ManifestSpec:
    image = {"image": "a/b:1"} if kind.startswith("kuberay") else {}
    package = {} if kind.startswith("kuberay") or "image" in options else _PACKAGE
    job = ("j.py", "x = 1\n\n  # y\n") if kind == "kuberay-job" else None
    spec, problems = read_manifest_spec(
        {"kind": kind, **_GIVEN, **_RAY, **image, **package, **options}, job
    )
    assert not problems
    return spec


def _document(kind: str, **options: Any) -> dict[str, Any]:
    document = next(yaml.safe_load_all(manifest(_spec(kind, **options))))
    assert isinstance(document, dict)
    return document


def _refused(**options: Any) -> list[str]:
    return [
        problem.path[0]
        for problem in read_manifest_spec(
            {
                **_GIVEN,
                **({} if options["kind"] == "local" else _RAY),
                **(_PACKAGE if options["kind"] in ("aws", "on-prem") else {}),
                **options,
            }
        )[1]
    ]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_file_is_what_its_own_command_makes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = path.read_text()
    program, *arguments = shlex.split(text.splitlines()[0].removeprefix("# Made by: "))
    assert program == "rayexec"
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == text
    assert max(map(len, text.splitlines())) < 320


def test_all_five_are_shipped() -> None:
    assert [path.stem for path in SHIPPED] == [
        "aws",
        "kuberay-raycluster",
        "kuberay-rayjob",
        "local",
        "on-prem",
    ]


def test_the_local_file_is_one_for_cluster_up() -> None:
    spec, problems = read_spec(read_yaml(str(ROOT / "clusters/local.yaml"), ""), {})
    assert not problems
    assert spec.resources() == LIMITS


@pytest.mark.parametrize("options", [{}, {"head_cpus": "2"}], ids=["group", "head"])
@pytest.mark.parametrize("kind", ["kuberay", "kuberay-job"])
def test_rays_autoscaler_for_kubernetes_reads_the_same_limits_on_one_node(
    kind: str, options: dict[str, str]
) -> None:
    spec = _document(kind, workers="2:10", **options)["spec"]
    spec = spec.get("rayClusterSpec", spec)
    declared = [
        (group.get("minReplicas", 1), group.get("maxReplicas", 1), _by_ray(group["rayStartParams"]))
        for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"])
    ]
    assert [each for each in declared if each[2]] == [(1, 1, LIMITS)]
    assert declared[-1][:2] == (2, 10)
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == options.get("head_cpus", "0")


def test_a_run_of_its_own_cluster_has_time_to_end() -> None:
    def groups(spec: Any) -> dict[str, Any]:
        containers = [
            group["template"]["spec"]["containers"][0]
            for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"])
        ]
        return {
            each["name"]: {one["name"]: one["value"] for one in each["env"]} for each in containers
        }

    of_job = groups(_document("kuberay-job")["spec"]["rayClusterSpec"])
    assert (
        of_job["ray-head"].pop("RAY_JOB_STOP_WAIT_TIME_S") == "3600"
    )  # where Ray reads it, in the job's supervisor
    assert of_job == groups(_document("kuberay")["spec"])


def _by_ray(parameters: Mapping[str, str]) -> dict[str, int]:
    config = pytest.importorskip("ray.autoscaler._private.kuberay.autoscaling_config")
    if not hasattr(config, "_get_custom_resources"):
        pytest.skip("this Ray reads them elsewhere")
    declared: dict[str, int] = config._get_custom_resources({}, parameters, "group")
    return declared


def _by_shell(command: str) -> list[str]:
    """Return the arguments that the last ``ray start`` of a command is run with by a real shell."""
    program = command.replace("ulimit", "true").replace("ray start", "printf '%s\\n'")
    return subprocess.run(
        ["bash", "-c", program], capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_a_shell_hands_the_limits_of_a_pod_to_ray() -> None:
    (group,) = [
        each
        for each in _document("kuberay")["spec"]["workerGroupSpecs"]
        if each["groupName"] == "limits"
    ]
    (handed,) = _by_shell(f"ray start --resources={group['rayStartParams']['resources']}")
    assert json.loads(handed.partition("=")[2]) == LIMITS


@pytest.mark.parametrize("kind", ["aws", "on-prem"])
def test_rays_launcher_takes_the_file(kind: str) -> None:
    util = pytest.importorskip("ray.autoscaler._private.util")
    if not (hasattr(util, "prepare_config") and hasattr(util, "validate_config")):
        pytest.skip("this Ray validates elsewhere")
    util.validate_config(util.prepare_config(_document(kind)))


def test_on_given_machines_the_head_declares_the_limits_and_has_cpus_for_them() -> None:
    document = _document("on-prem", hosts=["a", "b", "c"], cpus="8")
    assert document["provider"] == {"type": "local", "head_ip": "a", "worker_ips": ["b", "c"]}
    head = _by_shell(document["head_start_ray_commands"][-1])
    (resources,) = [each for each in head if each.startswith("--resources=")]
    assert json.loads(resources.partition("=")[2]) == LIMITS
    assert "--num-cpus=8" in head
    assert not any("--resources" in each for each in document["worker_start_ray_commands"])
    assert (
        "--num-cpus=0" in _document("on-prem", limits=[], pools=[])["head_start_ray_commands"][-1]
    )


def test_on_aws_one_node_that_stays_declares_the_limits() -> None:
    document = _document("aws", workers="0:8")
    types = document["available_node_types"]
    assert types["head"]["resources"] == {"CPU": 0}
    assert types["limits"]["resources"] == {"CPU": 4, **LIMITS}
    assert (types["limits"]["min_workers"], types["limits"]["max_workers"]) == (1, 1)
    assert document["max_workers"] == 9
    assert set(_document("aws", head_cpus="2")["available_node_types"]) == {"head", "workers"}


@pytest.mark.parametrize("kind", ["kuberay", "kuberay-job", "aws", "on-prem"])
def test_every_cluster_asks_for_a_token_and_has_one_home(kind: str) -> None:
    text = manifest(_spec(kind, home="/mnt/x"))
    assert "token" in text
    assert text.count("ReadWriteMany") == kind.startswith("kuberay")
    containers = text.count("- name: ray-")
    assert text.count('mountPath: "/mnt/x"') == containers
    if not containers:
        assert text.count("RAYEXEC_HOME=/mnt/x") == 3


def test_the_job_file_comes_along_as_it_is() -> None:
    _, code = yaml.safe_load_all(manifest(_spec("kuberay-job")))
    assert code["data"]["j.py"].rstrip() == "x = 1\n\n  # y"


@settings(deadline=None, max_examples=50)
@given(
    key=st.text(min_size=1, max_size=20),
    value=st.text(max_size=20),
    kind=st.sampled_from(["kuberay", "on-prem"]),
)
def test_any_tag_arrives_as_it_is_or_is_refused(key: str, value: str, kind: str) -> None:
    typed = f"{key}={value}" if value else key
    image = {"image": "a/b:1"} if kind == "kuberay" else {}
    options = {
        "kind": kind,
        "home": "s3://b/x",
        "limits": [f"{typed}:7"],
        **image,
        **_RAY,
        **_PACKAGE,
    }
    spec, problems = read_manifest_spec(options)
    if problems:
        assert all(problem.path[0].startswith("--limit") for problem in problems)
        return
    document = yaml.safe_load(manifest(spec))
    if kind == "kuberay":
        parameters = document["spec"]["workerGroupSpecs"][0]["rayStartParams"]["resources"]
        assert json.loads(parameters[1:-1].replace("\\", "")) == spec.resources()
    else:
        arguments = shlex.split(document["head_start_ray_commands"][-1])
        assert json.loads(arguments[-1].partition("=")[2]) == spec.resources()


# Limits that would be multiplied.


def _grown(document: dict[str, Any]) -> None:
    document["spec"]["workerGroupSpecs"][0]["maxReplicas"] = 2


def _several_hosts(document: dict[str, Any]) -> None:
    document["spec"]["workerGroupSpecs"][0]["numOfHosts"] = 2


def _may_be_none(document: dict[str, Any]) -> None:
    document["spec"]["workerGroupSpecs"][0]["minReplicas"] = 0


def _on_two_groups(document: dict[str, Any]) -> None:
    first, second = document["spec"]["workerGroupSpecs"]
    second |= {
        "replicas": 1,
        "minReplicas": 1,
        "maxReplicas": 1,
        "rayStartParams": first["rayStartParams"],
    }


def _on_the_idle_head(document: dict[str, Any]) -> None:
    first = document["spec"]["workerGroupSpecs"].pop(0)
    document["spec"]["headGroupSpec"]["rayStartParams"] |= first["rayStartParams"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_grown, "not exactly one node"),
        (_several_hosts, "not exactly one node"),
        (_may_be_none, "not exactly one node"),
        (_on_two_groups, "Declare it once"),
        (_on_the_idle_head, "no CPUs"),
    ],
)
def test_a_manifest_whose_limits_are_not_on_one_node_is_unsound(change: Any, expected: str) -> None:
    document = _document("kuberay")
    assert problems_of(document) == []
    changed = copy.deepcopy(document)
    change(changed)
    wrong = problems_of(changed)
    assert len(wrong) == len(LIMITS)
    assert all(expected in each for each in wrong)


def test_launcher_files_whose_limits_are_not_on_one_node_are_unsound() -> None:
    on_aws = _document("aws")
    on_aws["available_node_types"]["limits"]["max_workers"] = 3
    assert len(problems_of(on_aws)) == len(LIMITS)
    machines = _document("on-prem", hosts=["a", "b", "c"])
    machines["worker_start_ray_commands"] = machines["head_start_ray_commands"]
    wrong = problems_of(machines)
    assert sum("all workers" in each and "not exactly one node" in each for each in wrong) == len(
        LIMITS
    )
    assert problems_of({"kind": "Pod"})
    assert problems_of(_document("aws") | {"typo": 1}) == ["typo: Extra inputs are not permitted"]


# Mistakes.


def test_mistakes_name_their_option() -> None:
    assert _refused(kind="k8s") == ["--kind"]
    assert _refused(kind="kuberay") == ["--image"]
    assert _refused(kind="kuberay-job", image="x") == ["--job-file"]
    assert _refused(kind="aws", home=None) == ["--home"]
    assert _refused(kind="on-prem", head_cpus="0") == ["--head-cpus"]
    assert _refused(kind="on-prem", hosts=["a", "a"]) == ["--host"]
    assert _refused(kind="on-prem", workers="1:3") == ["--workers"]
    assert _refused(kind="local", home=None, workers="1:3") == ["--workers"]
    assert _refused(kind="local", image="x") == ["--home", "--image"]
    assert _refused(kind="aws", ray_version="2.50.0") == ["--ray-version"]
    assert _refused(kind="aws", limits=["a$b:1"]) == ["--limit a$b"]
    assert _refused(kind="aws", limits=["a:1", "a:2"]) == ["--limit a:2"]
    for workers in ("", "0", "3:2", "x", "1:2:3", "-1"):
        assert _refused(kind="aws", workers=workers) == ["--workers"] * len(
            _refused(kind="aws", workers=workers)
        )
        assert _refused(kind="aws", workers=workers)
    bad = {
        "name": "A b",
        "memory": "16",
        "home": "x y",
        "ray_version": "2",
        "cpus": "0",
        "region": "a b",
    }
    for name, value in bad.items():
        kind = "kuberay" if name == "memory" else "aws"
        assert f"--{name.replace('_', '-')}" in _refused(kind=kind, image="x", **{name: value})


@pytest.mark.parametrize("kind", ["aws", "on-prem"])
def test_nobody_guesses_what_nodes_install_rayexec_from(kind: str) -> None:
    assert _refused(kind=kind, package=None) == ["--package"]
    assert _refused(kind=kind, package=None, image="rayproject/ray:2.60.0-py311") == ["--package"]
    assert _refused(kind=kind, package=None, image="a/with-rayexec:1") == []
    result = CliRunner().invoke(app, ["cluster", "manifest", "--kind", kind, "--home", "/m"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--package: say what the nodes install rayexec from" in result.stderr


@pytest.mark.parametrize("kind", ["aws", "on-prem", "kuberay"])
@pytest.mark.parametrize(
    "package",
    [
        *("rayexec", "rayexec==0.0.122", "RayExec [plot] >=0.1", "rayexec @ https://a/b.zip"),
        *("./rayexec-0.0.122-cp39-abi3-linux.whl", "https://a/rayexec-0.0.122.whl#sha256=b"),
        *("-r requirements.txt", "--index-url=x", "a;b", "a$b", "a'b", "a\nb"),
    ],
)
def test_another_project_and_options_of_pip_are_no_package(kind: str, package: str) -> None:
    assert _refused(kind=kind, image="a/b:1", package=package) == ["--package"]


@pytest.mark.parametrize(
    "package",
    [
        *(
            "rayexec-jobs",
            "rayexec_jobs>=0.1,<1",
            "rayexec-jobs[plot] @ https://a/b#subdirectory=c",
        ),
        *(
            "git+https://a/rayexec.git@main",
            "https://a/rayexec_jobs-0.1.0-py3-none-any.whl?x=1&y=2",
        ),
        *("/mnt/share/rayexec", "./dist/rayexec"),
    ],
)
def test_a_shell_hands_the_package_to_pip_as_it_was_typed(package: str) -> None:
    for kind, options in (("aws", {}), ("on-prem", {}), ("kuberay", {"image": "a/b:1"})):
        if kind == "kuberay":
            text = manifest(_spec(kind, package=package, **options))
            (command,) = (line for line in text.splitlines() if "RUN" in line)
            command = command.partition("RUN ")[2]
        else:
            (command,) = (
                each for each in _document(kind, package=package)["setup_commands"] if "pip" in each
            )
        handed = subprocess.run(
            [
                "bash",
                "-c",
                f'pip() {{ printf \'%s\\n\' "$@"; }}; python3() {{ pip "$@"; }}; {command}',
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        assert handed[-1] == package


def test_a_wheel_of_this_machine_is_copied_to_the_nodes() -> None:
    wheel = "~/my dist/rayexec_jobs-0.1.0-py3-none-any.whl"
    for kind in ("aws", "on-prem"):
        document = _document(kind, package=wheel)
        there = "~/rayexec_jobs-0.1.0-py3-none-any.whl"
        assert document["file_mounts"][there] == wheel
        assert any(command.endswith(f" {there}") for command in document["setup_commands"])
    text = manifest(_spec("kuberay", package=wheel))
    assert f'#   COPY ["{wheel}", "/tmp/"]\n' in text
    assert "#   RUN pip install /tmp/rayexec_jobs-0.1.0-py3-none-any.whl\n" in text


def test_without_a_package_the_file_for_kubernetes_names_none() -> None:
    assert "pip install" not in manifest(_spec("kuberay"))


def test_a_limit_above_the_cpus_of_its_node_is_noted() -> None:
    assert [note.partition(" ")[0] for note in notes(_spec("aws", cpus="3"))] == ["limit:api"]
    assert notes(_spec("aws", cpus="5")) == []
