"""Runs with environments, as a script: ``python environments.py PLACE`` writes what their steps saw
to told.json.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

from rayexec import EngineError, JobDefinition, RayOptions, job, op

PLACE = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
WHEEL = PLACE / "packed-1.0-py3-none-any.whl"
# Nothing is fetched from anywhere.
OFFLINE = {
    "pip_check": False,
    "pip_install_options": ["--no-index", "--no-deps", "--disable-pip-version-check"],
}


def seen() -> dict[str, Any]:
    found: dict[str, Any] = {name: os.environ.get(f"RX_{name}") for name in ("RUN", "OWN", "BOTH")}
    for name in ("module", "packed"):
        try:
            found[name] = importlib.import_module(f"rx_{name}").WORD
        except ImportError:
            found[name] = None
    found["beside"] = Path("beside.txt").read_text() if Path("beside.txt").exists() else None
    return {"found": found, "pid": os.getpid()}


@op
def plain() -> dict[str, Any]:
    return seen()


@op(ray_options=RayOptions(runtime_env={"env_vars": {"RX_OWN": "op", "RX_BOTH": "op"}}))
def own() -> dict[str, Any]:
    return seen()


@op(ray_options=RayOptions(runtime_env={"pip": {"packages": [str(WHEEL)], **OFFLINE}}))
def packed() -> dict[str, Any]:
    return seen()


@op(
    ray_options=RayOptions(
        runtime_env={"pip": {"packages": [str(PLACE / "none-1.0-py3-none-any.whl")], **OFFLINE}}
    ),
)
def broken() -> None:
    pass


@op(ray_options=RayOptions(runtime_env={"working_dir": str(PLACE)}))
def local() -> None:
    pass


@job
def mixed() -> None:
    plain()
    own()
    own.alias("own_again")()
    packed()


@job
def light() -> None:
    plain()
    own()


@job
def breaks() -> None:
    broken()


@job
def directory() -> None:
    local()


def run(made: JobDefinition, environment: dict[str, Any] | None = None) -> dict[str, Any]:
    config = {"execution": {"config": {"ray": {"runtime_env": environment or {}}}}}
    try:
        result = made.execute(config, raise_on_error=False, store=False)
    except EngineError as error:
        return {"refused": str(error)}
    succeeded = [str(each.step_key) for each in result.get_step_success_events()]
    failed = sorted(result.get_failed_step_keys())
    return {
        "seen": {key: result.output_for_node(key) for key in succeeded},
        "failures": {key: str(result.failure_data_for_node(key)) for key in failed},
        "warnings": [
            each.message
            for each in result.all_events
            if "runtime_env" in each.message and not each.step_key
        ],
    }


def make_packages() -> None:
    (PLACE / "modules/rx_module").mkdir(parents=True)
    (PLACE / "modules/rx_module/__init__.py").write_text("WORD = 'module'\n")
    (PLACE / "work").mkdir()
    (PLACE / "work/beside.txt").write_text("beside")
    metadata = "packed-1.0.dist-info"
    files = {
        "rx_packed.py": "WORD = 'packed'\n",
        f"{metadata}/METADATA": "Metadata-Version: 2.1\nName: packed\nVersion: 1.0\n",
        f"{metadata}/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: "
        "py3-none-any\n",
    }
    record = f"{metadata}/RECORD,,\n"
    for name, text in files.items():
        digest = (
            base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        )
        record += f"{name},sha256={digest},{len(text)}\n"
    with zipfile.ZipFile(WHEEL, "w") as wheel:
        for name, text in {**files, f"{metadata}/RECORD": record}.items():
            wheel.writestr(name, text)


def main() -> None:
    import ray

    make_packages()
    first = {
        "env_vars": {"RX_RUN": "run", "RX_BOTH": "run"},
        "py_modules": [str(PLACE / "modules/rx_module")],
        "working_dir": str(PLACE / "work"),
    }
    told = {
        "first": run(mixed, first),
        "second": run(light, {"env_vars": {"RX_RUN": "second", "RX_BOTH": "second"}}),
        "breaks": run(breaks, first),
        "directory": run(directory, first),
    }
    (PLACE / "told.json").write_text(json.dumps(told))
    ray.shutdown()


if __name__ == "__main__":
    main()
