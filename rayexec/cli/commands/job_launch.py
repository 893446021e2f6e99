"""``job launch``: a run that goes on by itself, on a cluster by Ray's Jobs API, or in a process of
this machine.
"""

from __future__ import annotations

import importlib.metadata
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import yaml

from rayexec.cli.exit_codes import FAILED, SUCCEEDED, complain, with_exit_code
from rayexec.cli.parsing import RunOptions, parse_selection, parse_tags
from rayexec.cli.streams import results_on_stdout, say, write_json
from rayexec.cluster.local_cluster import home as home_here
from rayexec.config.files import read_run_config
from rayexec.errors import EngineError, LoadError
from rayexec.launch.attach import wait_for_end
from rayexec.launch.environment import HOME, Cluster, read_environment, runtime_env
from rayexec.launch.job_file import JobSource
from rayexec.launch.polling import Patience
from rayexec.launch.registry import (
    LaunchedRun,
    growing,
    noted,
    only_mine,
    private_directory,
    signal_name,
)
from rayexec.launch.versions import LAUNCHED_FROM, versions
from rayexec.names import RUN_ID
from rayexec.run.process_identity import ProcessIdentity

if TYPE_CHECKING:
    from rayexec.cluster.jobs_api import Jobs
    from rayexec.cluster.packing import Packing

__all__ = ["Cluster", "force_on_cluster", "launch_here", "launch_on_cluster", "resume_on_cluster"]

_CONFIG = ".rayexec/run-config.yaml"  # where a package has the run's config
_TAKEN = "a run {} was launched before: give another --run-id."
_PATIENCE = 0.2  # seconds between two looks at a job that is about to end


def _checked(source: JobSource, wanted: RunOptions) -> dict[str, Any] | None:
    """Return the run config; raises LoadError for what can be told to be wrong without the job
    itself.
    """
    if (source.file is None) == (source.module is None):
        wrong = "give only one of them" if source.file is not None else "give one of them"
        raise LoadError(f"a job is in a file (-f FILE) or in a module (-m MODULE): {wrong}.")
    if source.file is not None and source.file.suffix != ".py":
        raise LoadError(f"{source.file} is not a Python file: its name must end in .py.")
    if wanted.run_id is not None and not RUN_ID.match(wanted.run_id):
        raise LoadError(
            f"--run-id {wanted.run_id!r}: use letters, digits, dots, underscores and hyphens."
        )
    parse_selection(wanted.op_selection)
    parse_tags(wanted.tags)
    return read_run_config(wanted.config)


def _command(
    source: JobSource, wanted: RunOptions, run_id: str, file: str | None, config: tuple[str, ...]
) -> list[str]:
    """Return the command that drives the run, without the Python that runs it."""
    return ["-m", "rayexec", "job", "execute", *_words(source, wanted, run_id, file, config)]


def _words(
    source: JobSource, wanted: RunOptions, run_id: str, file: str | None, config: tuple[str, ...]
) -> list[str]:
    """Return the options of a command that say what is wanted, with the job in ``file``."""
    options = {
        "-f": file,
        "-m": source.module,
        "-a": source.attribute,
        "-j": source.job,
        "--tags": wanted.tags,
        "--max-concurrent": None if wanted.max_concurrent is None else str(wanted.max_concurrent),
        "--address": wanted.address,
        "--run-id": run_id,
    }
    # Each with its value in one word, which may begin with a hyphen.
    words = [
        f"{name}={value}" if name.startswith("--") else f"{name}{value}"
        for name, value in options.items()
        if value
    ]
    words += [f"-c{path}" for path in config]
    words += [f"-o{each}" for each in wanted.op_selection]
    words += ["--durable"] if wanted.durable else []
    words += ["--no-cache"] if wanted.cache is False else []
    return words


@with_exit_code
def launch_here(
    source: JobSource, wanted: RunOptions, *, home: str | None, wait: bool, as_json: bool
) -> int:
    """Start a process that drives the run and outlives this one."""
    with results_on_stdout() as results:
        _checked(source, wanted)
        run_id = wanted.run_id or str(uuid.uuid4())
        log = private_directory() / f"{run_id}.log"
        place = home or os.environ.get(HOME) or str(home_here())
        if "://" not in place:
            place = str(Path(place).expanduser().absolute())
        file = None if source.file is None else str(source.file)
        command = _command(source, wanted, run_id, file, wanted.config)
        process = _start(
            [sys.executable, *command], log, {**os.environ, HOME: place} if home else os.environ
        )
        driver = ProcessIdentity.of(process.pid)
        launched = LaunchedRun(
            run_id, time.time(), _origin(source), place, driver=driver, log=str(log)
        )
        launched.note()

        def exit_code() -> int:
            code = process.wait()
            return code if code >= 0 else FAILED  # ended by a signal

        say(f"Log of the run's driver: {log}")
        details = {
            "run_id": run_id,
            "address": None,
            "store": place,
            "log": str(log),
            "pid": process.pid,
        }
        printed = growing(log, lambda: process.poll() is not None)
        ending = _Ending(printed, process.terminate, exit_code) if wait else None
        return _report(results, launched, details, ending, as_json=as_json)


def _start(
    command: list[str], log: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    try:
        with open(log, "xb", opener=only_mine) as output:
            # As under nohup: a signal that is ignored stays so in what is started.
            before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
            try:
                return subprocess.Popen(
                    command,
                    env={**environment, "PYTHONUNBUFFERED": "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            finally:
                signal.signal(signal.SIGHUP, before)
    except FileExistsError:
        raise LoadError(_TAKEN.format(log.name.removesuffix(".log"))) from None
    except OSError as error:
        raise EngineError(
            f"cannot start a process that writes to {log}: {error.strerror}."
        ) from error


@with_exit_code
def launch_on_cluster(
    source: JobSource,
    wanted: RunOptions,
    cluster: Cluster,
    *,
    home: str | None,
    wait: bool,
    as_json: bool,
) -> int:
    """Pack the job, and have a cluster drive the run."""
    with results_on_stdout() as results:
        config = _checked(source, wanted)
        run_id = wanted.run_id or str(uuid.uuid4())
        there = replace(wanted, address="auto")
        submission = _Submission(
            run_id,
            source,
            cluster,
            config,
            _shared(home),
            lambda file, paths: _command(source, there, run_id, file, paths),
        )
        return submission.submit(results, wait=wait, as_json=as_json)


def resume_on_cluster(
    launched: LaunchedRun,
    given: JobSource,
    wanted: RunOptions,
    steps: tuple[str, ...],
    *,
    as_json: bool,
) -> int:
    """Have the cluster that drove a run go on from it, with the job as it is now, and wait for the
    end.
    """
    known = launched.origin
    source = given
    if given.file is None and given.module is None:
        file = Path(known["file"]) if "file" in known else None
        source = JobSource(
            file, known.get("module"), given.attribute or known.get("attribute"), None
        )
        if file is not None and not file.exists():
            raise LoadError(
                f"the file of run {launched.run_id}, {file}, is not there any more: say where the "
                f"job is now with -f."
            )
    directory = launched.sent.get("working_dir")
    cluster = _cluster_of(launched, Path(directory) if directory and source is not given else None)
    run_id = wanted.run_id or str(uuid.uuid4())

    def command(file: str | None, paths: tuple[str, ...]) -> list[str]:
        words = _words(
            replace(source, job=None), replace(wanted, address="auto"), run_id, file, paths
        )
        return [
            "-m",
            "rayexec",
            "run",
            "resume",
            launched.run_id,
            *words,
            *(f"-s{each}" for each in steps),
        ]

    with results_on_stdout() as results:
        config = _checked(source, wanted)
        # The config of the run before holds where none is given now.
        before = str(launched.sent.get("stop_wait"))
        stop_wait = int(before) if before.isdecimal() else 0
        submission = _Submission(
            run_id, source, cluster, config, launched.store, command, stop_wait
        )
        return submission.submit(results, wait=True, as_json=as_json)


def _cluster_of(launched: LaunchedRun, working_dir: Path | None = None) -> Cluster:
    """Return the cluster that drove a run, to be sent what it was sent then."""
    assert launched.address is not None
    sent = launched.sent
    return Cluster(
        launched.address, working_dir, tuple(sent.get("pip") or ()), sent.get("runtime_env")
    )


def force_on_cluster(launched: LaunchedRun) -> None:
    """Stop a run, and have its cluster itself end its steps by force, whose store is there.

    Ray's Jobs API knows one way to stop a job only, which is orderly until its time is up.
    """
    # Before anything is stopped, since it may turn out that nothing can be submitted.
    environment = runtime_env(_cluster_of(launched), None, launched.store)
    entrypoint = (
        f"exec python -m rayexec run cancel {shlex.quote(launched.run_id)} --force --no-wait"
    )
    name = f"{launched.run_id}-force-{uuid.uuid4().hex[:6]}"
    launched.stop()
    launched.jobs().submit(
        name, entrypoint, None, environment, {"rayexec_cancels": launched.run_id}
    )


@dataclass(frozen=True, slots=True)
class _Submission:
    """A run to be driven by a cluster; ``command`` is of Python, given the job's file and config
    files there.
    """

    run_id: str
    source: JobSource
    cluster: Cluster
    config: Mapping[str, Any] | None
    home: str | None
    command: Callable[[str | None, tuple[str, ...]], list[str]]
    stop_wait: int = 0

    def submit(self, results: TextIO, *, wait: bool, as_json: bool) -> int:
        """Pack and submit it, and report that."""
        from rayexec.cluster.jobs_api import STOP_WAIT, Jobs, checked_address, package_limit
        from rayexec.cluster.packing import megabytes, pack, survey

        address = checked_address(self.cluster.address)
        root = _root(self.source, self.cluster)
        given = read_environment(self.cluster.runtime_env)
        environment = runtime_env(
            replace(self.cluster, runtime_env=given), self.config, self.home, self.stop_wait
        )
        file = None if self.source.file is None else _within(root, self.source.file)
        packing = survey(root)
        if file is not None and file not in packing.sizes:
            raise LoadError(
                f"{self.source.file} would not be sent: it is hidden, or named by an ignore file "
                f"in {root}."
            )
        if noted(self.run_id) is not None:
            raise LoadError(_TAKEN.format(self.run_id))
        added = (
            {}
            if self.config is None
            else {_CONFIG: yaml.safe_dump(dict(self.config), sort_keys=False).encode()}
        )
        # The shell gives way to Python, so that a signal to end comes to one process. The driver
        # alone is to compare itself with this machine: what is in the runtime environment, all
        # workers have, and what their ops start.
        entrypoint = f"{LAUNCHED_FROM}={shlex.quote(versions())} exec python "
        entrypoint += shlex.join(self.command(file, tuple(added)))
        jobs = Jobs(address)
        _compare(jobs)
        sent = {"working_dir": str(root), "pip": list(self.cluster.pip), "runtime_env": given}
        sent |= {"stop_wait": environment["env_vars"][STOP_WAIT]}
        launched = LaunchedRun(
            self.run_id,
            time.time(),
            _origin(self.source),
            self.home,
            address,
            submitting=True,
            sent=sent,
        )
        with tempfile.TemporaryDirectory() as scratch:
            archive, limit = Path(scratch, "package.zip"), package_limit()
            if packing.size > limit:  # at once, since it takes its time until it is known
                path, largest = packing.largest()[0]
                say(
                    f"Packing {root}: {megabytes(packing.size)}, of which Ray's Jobs API takes "
                    f"{megabytes(limit)} when "
                    f"compressed. The largest file is {path}, {megabytes(largest)}."
                )
            size = pack(packing, archive, limit=limit, added=added)
            number = len(packing.sizes)
            say(
                f"Packed {root}: {number:,} file{'' if number == 1 else 's'}, "
                f"{megabytes(packing.size)}, "
                f"{megabytes(size)} compressed."
            )
            launched.note()  # before, so that no run goes on of which nothing is known here
            try:
                jobs.submit(
                    self.run_id,
                    entrypoint,
                    archive,
                    environment,
                    {"rayexec_source": launched.source},
                )
            except EngineError:
                launched.forget()
                raise
            launched = replace(launched, submitting=False)
            launched.note()
        details = {
            "run_id": self.run_id,
            "address": address,
            "submission_id": self.run_id,
            "store": self.home,
            "working_dir": str(root),
            "package": {"files": number, "bytes": packing.size, "compressed": size},
        }
        left_out = partial(_left_out, packing=packing, file=file)
        ending = _Ending(
            jobs.follow(self.run_id),
            lambda: jobs.stop(self.run_id),
            lambda: _code(jobs, self.run_id, left_out),
        )
        return _report(results, launched, details, ending if wait else None, as_json=as_json)


def _compare(jobs: Jobs) -> None:
    """Say where the cluster has another Ray than this machine; it says itself what else differs."""
    here = importlib.metadata.version("ray")
    if jobs.ray_version != here:
        say(
            f"Warning: the cluster at {jobs.address} has Ray {jobs.ray_version}, this machine "
            f"{here}. Where the run "
            "fails for that, install the same on both sides."
        )


def _left_out(module: str, packing: Packing, file: str | None) -> Path | None:
    """Return where a module is that could be imported had it been sent; None where there is none
    here either.
    """
    beside = packing.root.joinpath(file or "job.py").parent
    for base in (packing.root, beside):
        place = base.joinpath(*module.split("."))
        for each in (place.with_name(f"{place.name}.py"), place / "__init__.py", place):
            path = each.relative_to(packing.root).as_posix()
            was_sent = path in packing.sizes or any(
                known.startswith(f"{path}/") for known in packing.sizes
            )
            if each.exists() and not was_sent:
                return each
    return None


def _code(jobs: Jobs, run_id: str, left_out: Callable[[str], Path | None] = lambda _: None) -> int:
    """Wait until a job is over, which its log tells a little before its status, and return the
    run's exit code.

    ``left_out`` tells where a module is here that was not sent.
    """
    from rayexec.cluster.jobs_api import UnknownJobError
    from rayexec.cluster.packing import IGNORE_FILES

    patience = Patience(run_id)
    try:
        while (state := patience.ask(lambda: jobs.state(run_id))) is None or not state.is_over:
            time.sleep(_PATIENCE)
    except UnknownJobError:
        complain(f"the Ray at {jobs.address} does not know the run any more: its driver is gone.")
        return FAILED
    if state.status == "SUCCEEDED":
        return SUCCEEDED
    if (
        state.exit_code is None and state.status == "FAILED"
    ):  # what kept it from starting is not in its log
        complain(state.message or "the run could not be started.")
    if state.lacks == "rayexec":
        complain(
            "rayexec is not installed on the cluster: have it installed there, or name it with "
            "--pip."
        )
    elif state.lacks is not None and (here := left_out(state.lacks)) is not None:
        complain(
            f"the cluster has no module {state.lacks!r}: {here} was not sent, since it is hidden "
            f"or an ignore file "
            f"({', '.join(IGNORE_FILES)}) names it. A line such as !{here.name} in .rayexecignore "
            f"takes it back."
        )
    elif state.lacks is not None:
        complain(
            f"the cluster has no module {state.lacks!r}: name the package that it is in with "
            f"--pip, or have it "
            "installed there. If it is code of yours, send the directory that holds it with "
            "--working-dir."
        )
    if state.exit_code is not None and state.exit_code < 0:
        complain(f"the driver of the run was killed ({signal_name(-state.exit_code)}).")
    return state.exit_code if state.exit_code is not None and state.exit_code > 0 else FAILED


class _Ending(NamedTuple):
    """What to wait for: what the run prints, how to ask it to end, and what waits for its exit
    code.
    """

    printed: Iterator[str]
    stop: Callable[[], object]
    exit_code: Callable[[], int]


def _report(
    results: TextIO,
    launched: LaunchedRun,
    details: dict[str, Any],
    ending: _Ending | None,
    *,
    as_json: bool,
) -> int:
    """Print the run's id, wait where that is wanted, and return the exit code."""
    if not as_json:
        results.write(f"{launched.run_id}\n")
        results.flush()
    if ending is None:
        if as_json:
            write_json(results, details)
        return SUCCEEDED
    code = wait_for_end(launched.run_id, *ending, sys.stderr if as_json else results)
    if as_json:
        write_json(results, details | {"exit_code": code})
    return code


def _origin(source: JobSource) -> dict[str, str]:
    """Return where the job is, as it is noted."""
    file = None if source.file is None else str(source.file.absolute())
    known = {
        "file": file,
        "module": source.module,
        "attribute": source.attribute,
        "job": source.job,
    }
    return {name: value for name, value in known.items() if value is not None}


def _root(source: JobSource, cluster: Cluster) -> Path:
    """Return the directory that is sent; raises LoadError for a home directory that nobody asked to
    send.
    """
    if cluster.working_dir is not None:
        return Path(os.path.abspath(cluster.working_dir))
    root = Path(os.path.abspath(source.file.parent if source.file is not None else Path.cwd()))
    user = os.path.expanduser("~")
    if any(each.is_relative_to(root) for each in (Path(user), Path(os.path.realpath(user)))):
        raise LoadError(
            f"all of {root} would be sent to the cluster, which holds your home directory: put "
            f"the job in a directory "
            f"of its own, or say what to send with --working-dir DIR, which may be {root} too."
        )
    return root


def _within(root: Path, file: Path) -> str:
    path = Path(os.path.abspath(file))
    if not path.is_relative_to(root):
        raise LoadError(f"{file} is not in {root}: give a --working-dir that holds it.")
    return path.relative_to(root).as_posix()


def _shared(given: str | None) -> str | None:
    """Return the place where runs are recorded that a cluster reaches too: the one given, or
    RAYEXEC_HOME if a URI.
    """
    if given is not None:
        return given if "://" in given else str(Path(given).expanduser().absolute())
    place = os.environ.get(HOME) or ""
    return place if "://" in place and not place.startswith("file:") else None
