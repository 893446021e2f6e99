"""Counts the public job files that run under rayexec when only their import line changes.

It needs copies of the public repositories, in directories named ``OWNER+NAME``, and an interpreter
with Dagster to compare with. Nothing of them enters this repository but the table of verdicts::

    python tests/public_files/count.py --list FILES.tsv --copies DIR --dagster PYTHON \\
        --through 'bwrap --ro-bind / / --tmpfs /tmp --ro-bind DIR DIR --unshare-net ...'

FILES.tsv has a line for each file: repository, path, names that it imports from Dagster. The files
are strangers' programs: name a sandbox with ``--through``.

A file counts (``runs``) if it imports, and each op job in it ends as under Dagster: the same
outcome of the run, and the same end of each step.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

PROBE = Path(__file__).with_name("probe.py")
TABLE = Path(__file__).with_name("verdicts.tsv")
PROBE_TIMEOUT_S = 100
# A name with one of these parts belongs to assets, partitions, schedules, sensors or automation.
LATER = ("asset", "partition", "schedule", "sensor", "automation", "freshness", "backfill")
LATER_NAMES = {
    "RunRequest",
    "SkipReason",
    "DataVersion",
    "DATA_VERSION_TAG",
    "MAX_RUNTIME_SECONDS_TAG",
}
# Directories of the machine that counts, in messages of errors.
DIRECTORIES = re.compile(r"(?<![\w.:/])(?:/[\w.+@=-]+)+/(?=[\w.+@=-])")
# Events of ops that name an asset.
OF_OPS = {"AssetKey", "AssetMaterialization", "AssetObservation"}


class Row(NamedTuple):
    repository: str
    path: str
    needs: str  # "ops", or "more" for names of assets, partitions, schedules and sensors
    verdict: str
    reason: str
    names: str


def needs(names: list[str]) -> str:
    def is_later(name: str) -> bool:
        if name in OF_OPS:
            return False
        return name in LATER_NAMES or any(part in name.lower() for part in LATER)

    return "more" if any(is_later(name) for name in names) else "ops"


def probed(python: str, package: str, through: list[str], root: Path, file: Path) -> dict[str, Any]:
    command = [*through, python, str(PROBE), package, str(root), str(file)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return {"imports": False, "error": f"no end within {PROBE_TIMEOUT_S} s"}
    lines = done.stdout.strip().splitlines()
    if not lines:
        return {"imports": False, "error": " ".join(done.stderr.split())[-300:]}
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


def verdict(theirs: dict[str, Any], ours: dict[str, Any]) -> tuple[str, str]:
    if not theirs["imports"]:
        if ours["imports"]:
            return "imports", f"not under Dagster: {theirs['error']}"
        return "not under Dagster", f"{theirs['error']} | rayexec: {ours['error']}"
    if not ours["imports"]:
        return "does not import", ours["error"]
    jobs = {*theirs["jobs"], *ours["jobs"]}
    differing = [
        f"{name}: {theirs['jobs'].get(name)} there, {ours['jobs'].get(name)} here"
        for name in sorted(jobs)
        if theirs["jobs"].get(name) != ours["jobs"].get(name)
    ]
    differing += [
        f"module {name}: {theirs['failed'].get(name)} there, {ours['failed'].get(name)} here"
        for name in sorted(theirs["failed"].keys() ^ ours["failed"].keys())
    ]
    return ("differs", "; ".join(differing)) if differing else ("runs", f"{len(jobs)} jobs")


def without_directories(reason: str) -> str:
    return DIRECTORIES.sub("…/", reason)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", type=Path, required=True)
    parser.add_argument("--copies", type=Path, required=True)
    parser.add_argument("--dagster", required=True, help="a Python that has Dagster")
    parser.add_argument("--through", default="", help="the command of a sandbox")
    parser.add_argument("--answers", type=Path, help="keep the answers of Dagster in this file")
    parser.add_argument("--table", type=Path, default=TABLE)
    parser.add_argument("--only", default="", help="files whose repository/path has this text")
    options = parser.parse_args()
    through = shlex.split(options.through)
    answers: dict[str, Any] = {}
    if options.answers and options.answers.exists():
        answers = json.loads(options.answers.read_text())

    def judged(line: str) -> Row:
        repository, path, names = line.split("\t")
        root = options.copies / repository.replace("/", "+")
        file = root / path
        if str(file) not in answers:
            answers[str(file)] = probed(options.dagster, "dagster", through, root, file)
            if options.answers:
                options.answers.write_text(json.dumps(answers))
        theirs = answers[str(file)]
        ours = probed(sys.executable, "rayexec", through, root, file)
        said, reason = verdict(theirs, ours)
        shown = without_directories(reason)
        return Row(repository, path, needs(names.split()), said, shown, names)

    lines = [
        line
        for line in options.list.read_text().splitlines()
        if line and not line.startswith("#") and options.only in line
    ]
    with ThreadPoolExecutor(2) as pool:
        rows = sorted(pool.map(judged, lines))
    options.table.write_text("\n".join("\t".join(row) for row in [Row(*Row._fields), *rows]) + "\n")
    for kind in ("ops", "more"):
        of_kind = Counter(row.verdict for row in rows if row.needs == kind)
        print(f"{kind}: {sum(of_kind.values())} files, {dict(of_kind)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
