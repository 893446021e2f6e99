"""Runs that one machine launches at once on a cluster."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from laptop import Laptop, make_wheel
from user_machine import ROOT

EXAMPLES = ROOT / "docs/examples"
# The flights job, held up before its last op.
HELD = """
import pathlib, time
from flights import by_origin, clean, load, origins, print_worst, routes, write_report
from rayexec import In, Nothing, job, op

@op(ins={"report": In(Nothing)}, config_schema={"place": str})
def hold(context):
    place = pathlib.Path(context.op_config["place"])
    (place / "asleep").touch()
    while not (place / "go").exists():
        time.sleep(0.05)

@job
def held():
    loaded, airports = load()
    cleaned = clean(loaded)
    by_routes = routes(cleaned, airports)
    report = write_report(origins(cleaned, airports), by_routes)
    print_worst(by_routes, report=hold(report=report))
"""


def begin_all(laptop: Laptop, base: Path) -> None:
    """Launch the runs that the tests look at one after another."""
    shared = str(base / "shared")
    report = base / "held.yaml"
    report.write_text(
        f"ops: {{write_report: {{config: {{directory: {base}/report}}}}, hold: {{config: {{place: "
        f"{laptop.run_directory('flights')}}}}}}}\n"
    )
    laptop.begin("flights", "-j", "held", "-c", str(report), file="examples/held.py")
    laptop.begin("canceled", "-j", "long", "-c", laptop.config("canceled", 4.0))
    laptop.begin("forced", "-j", "long", "-c", laptop.config("forced", 600.0))
    laptop.begin("killed", "-j", "long", "-c", laptop.config("killed"))
    laptop.begin(
        "killed-shared", "-j", "long", "-c", laptop.config("killed-shared"), "--home", shared
    )
    laptop.begin("left", "-j", "long", "-c", laptop.config("left"), "--wait")
    laptop.begin("shut", "-j", "long", "-c", laptop.config("shut"), "--home", shared)
    laptop.begin("greeted", "-j", "greets", "-c", str(base / "first.yaml"), "--wait")
    laptop.begin("broken", "-j", "broken", "--wait")
    laptop.begin("nothing", "-j", "nothing", "--wait", "--json")
    laptop.begin("lacking", "--wait", file="lacking.py")
    bare = base / "bin/python"
    bare.parent.mkdir()
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    bare.chmod(0o755)
    path = json.dumps({"env_vars": {"PATH": f"{bare.parent}:{os.environ['PATH']}"}})
    laptop.begin("bare", "--wait", "-j", "greets", "--runtime-env", path)
    laptop.begin("no-wheel", "--wait", "-j", "broken", "--pip", "./not-there")
    laptop.begin("needy", "--wait", "-j", "needy", "--pip", str(make_wheel(base)))
