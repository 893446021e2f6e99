"""Launch of runs, and the resume of one on its cluster."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from rayexec.cluster.home import home
from rayexec.config.execution_settings import check_overrides
from rayexec.errors import EngineError, LoadError
from rayexec.launch.cluster_driver import target_of
from rayexec.launch.environment import HOME, ClusterTarget
from rayexec.launch.job_file import JobSource
from rayexec.launch.launch_request import (
    LaunchRequest,
    execute_command,
    origin_of,
    resume_command,
)
from rayexec.launch.launched_run import LaunchedRun
from rayexec.launch.local_driver import LocalDriver, Spares, start_process
from rayexec.launch.notes import (
    LaunchNote,
    log_path,
    note_directory,
    run_config_path,
    run_id_in_use,
)
from rayexec.launch.submission import Submission
from rayexec.private_directory import open_private
from rayexec.run.process_identity import ProcessIdentity

__all__ = ["launch_job", "new_run_id", "resume_here", "resume_on_cluster"]


def new_run_id() -> str:
    """Return an id for a run without one."""
    return str(uuid.uuid4())


def launch_job(
    file: str | os.PathLike[str] | None = None,
    run_config: Mapping[str, Any] | None = None,
    *,
    module: str | None = None,
    attribute: str | None = None,
    job: str | None = None,
    config_files: Sequence[str] = (),
    op_selection: Sequence[str] | None = None,
    tags: Mapping[str, Any] | None = None,
    run_id: str | None = None,
    store: str | os.PathLike[str] | None = None,
    address: str | None = None,
    attach: str | None = None,
    spares: Spares | None = None,
    working_dir: str | os.PathLike[str] | None = None,
    pip: Sequence[str] = (),
    runtime_env: str | Mapping[str, Any] | None = None,
    send_rayexec: bool = False,
    say: Callable[[str], object] | None = None,
    **execution: Any,
) -> LaunchedRun:
    """Start a run in a process of its own, and return at once.

    The process outlives this one. It is on this machine, or on the cluster with the dashboard at
    ``address`` (``http://HOST:8265``). With ``attach``, a process on this machine attaches to the
    Ray at that address (``HOST:6379`` or ``auto``), and its steps run there.

    - ``file`` or ``module`` holds the job; ``attribute`` or ``job``, its name, picks one of
      several.
    - ``run_config`` is a mapping of plain values; it goes over the YAML files ``config_files``.
    - ``op_selection``, ``tags`` and ``run_id`` are as for ``execute_job``. So are the executor keys
      with a command-line option: ``max_concurrent``, ``durable`` and ``cache``.
    - ``store`` is a directory or URI for the record of the run; by default RAYEXEC_HOME. A cluster
      uses its own default, unless RAYEXEC_HOME is a URI.
    - ``working_dir`` is the directory of code for a cluster; by default the one of ``file``.
      ``pip`` adds packages there, and ``runtime_env`` (a mapping, a YAML file or a JSON object) is
      Ray's runtime environment. With ``send_rayexec``, the rayexec of this process is sent as a
      wheel, which pip installs for the run, so that the cluster needs none.
    - ``spares`` may have a process that is ready for a run on ``attach``.
    - ``say`` gets lines on the progress of the launch.

    Raises LoadError for a mistake in the request, and EngineError if no process starts or the
    cluster refuses. A mistake in the job itself ends the run as FAILURE.
    """
    check_overrides(execution, "launch_job", has_option=True)
    request = LaunchRequest(
        source=JobSource(None if file is None else Path(file), module, attribute, job),
        run_id=new_run_id() if run_id is None else run_id,
        run_config=run_config,
        config_files=tuple(config_files),
        op_selection=tuple(op_selection or ()),
        tags=tags,
        execution=execution,
        store=None if store is None else os.fspath(store),
    )
    progress = say or (lambda _: None)
    if address is None and send_rayexec:
        raise LoadError("a run on this machine has its rayexec: --send-rayexec needs --address.")
    if address is not None and attach is not None:
        raise LoadError("a driver is on this machine (--attach) or on a cluster (--address).")
    if address is None:
        return _launch_here(request, progress, attach, spares)
    directory = None if working_dir is None else Path(working_dir)
    target = ClusterTarget(address, directory, tuple(pip), runtime_env, send_rayexec)
    request = replace(request, store=_shared_store(request.store))

    def command(file: str | None, config: Sequence[str]) -> list[str]:
        return execute_command(request, file, config, "auto")

    return LaunchedRun(Submission(request, target, command, progress).submit())


def resume_here(
    former_run_id: str,
    request: LaunchRequest,
    say: Callable[[str], object] | None = None,
    *,
    attach: str | None = None,
    spares: Spares | None = None,
    origin: Mapping[str, str] | None = None,
) -> LaunchedRun:
    """Resume a run in a process of its own on this machine, and return at once.

    The record of the former run names the job, unless the request has a file or module; ``origin``
    is that of the record. ``attach`` and ``spares`` are as for ``launch_job``.
    """
    progress = say or (lambda _: None)
    return _launch_here(
        request, progress, attach, spares, former_run_id=former_run_id, origin=origin
    )


def _launch_here(
    request: LaunchRequest,
    say: Callable[[str], object],
    attach: str | None,
    spares: Spares | None,
    *,
    former_run_id: str | None = None,
    origin: Mapping[str, str] | None = None,
) -> LaunchedRun:
    """Start a driver on this machine."""
    if former_run_id is None:
        request.checked_config()
    run_id = request.run_id
    store = request.store or os.environ.get(HOME) or str(home())
    if "://" not in store:
        store = str(Path(store).expanduser().absolute())
    environment = dict(os.environ)
    if request.store:
        environment[HOME] = store
    config = list(request.config_files)
    if request.run_config is not None:
        config.append(str(_written_config(run_id, request.run_config)))
    file = None if request.source.file is None else str(request.source.file)
    command = (
        execute_command(request, file, config, attach)
        if former_run_id is None
        else resume_command(request, former_run_id, file, config, attach)
    )
    process = start_process(run_id, command, environment, spares)
    note = LaunchNote(
        run_id,
        time.time(),
        origin_of(request.source) or origin or {},
        store,
        driver=ProcessIdentity.of(process.pid),
        log=str(log_path(run_id)),
    )
    try:
        note.write()
    except EngineError:  # Nobody would find the run, or end it.
        process.kill()
        process.wait()
        note.remove()
        raise
    say(f"Log of the run's driver: {note.log}")
    return LaunchedRun(LocalDriver(note, process))


def _written_config(run_id: str, run_config: Mapping[str, Any]) -> Path:
    """Write run config into a file for the driver, and return the path."""
    note_directory()
    if log_path(run_id).exists():
        raise run_id_in_use(run_id)
    try:
        text = yaml.safe_dump(dict(run_config), sort_keys=False)
    except yaml.YAMLError as error:
        raise LoadError(f"run_config holds more than plain values: {error}") from None
    path = run_config_path(run_id)
    try:
        with open(path, "w", opener=open_private) as file:
            file.write(text)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise EngineError(
            f"cannot write the run config of run {run_id} to {path}: {error.strerror}."
        ) from error
    return path


def _shared_store(given: str | None) -> str | None:
    """Return the store of a run on a cluster: the given one, or RAYEXEC_HOME if it is a URI."""
    if given is not None:
        return given if "://" in given else str(Path(given).expanduser().absolute())
    address = os.environ.get(HOME) or ""
    return address if "://" in address and not address.startswith("file:") else None


def resume_on_cluster(
    former: LaunchNote, request: LaunchRequest, say: Callable[[str], object]
) -> LaunchedRun:
    """Resume a run on the cluster that drove it, with the current code of the job.

    A request without a file and module has the former ones. The new run has the store, packages and
    environment of the former one.
    """
    is_same_source = request.source.file is None and request.source.module is None
    if is_same_source:
        request = replace(request, source=_former_source(former, request.source))
    request = replace(request, store=former.store)
    directory = former.sent.get("working_dir") if is_same_source else None
    # The former run config holds if the request has none, and with it the time to end.
    stop_wait = str(former.sent.get("stop_wait"))

    def command(file: str | None, config: Sequence[str]) -> list[str]:
        return resume_command(request, former.run_id, file, config, "auto")

    submission = Submission(
        request,
        target_of(former, Path(directory) if directory else None),
        command,
        say,
        stop_wait_s=int(stop_wait) if stop_wait.isdecimal() else 0,
    )
    return LaunchedRun(submission.submit())


def _former_source(former: LaunchNote, given: JobSource) -> JobSource:
    origin = former.origin
    file = Path(origin["file"]) if "file" in origin else None
    if file is not None and not file.exists():
        raise LoadError(
            f"the file of run {former.run_id}, {file}, is not there any more: say where the job "
            "is now with -f."
        )
    return JobSource(file, origin.get("module"), given.attribute or origin.get("attribute"))
