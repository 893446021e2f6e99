"""Submission of a run to a cluster: the package with its code, and the job that drives it."""

from __future__ import annotations

import importlib.metadata
import os
import shlex
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from rayexec.errors import EngineError, LoadError
from rayexec.launch.cluster_driver import ClusterDriver, SentPackage, connect_jobs
from rayexec.launch.environment import ClusterTarget, read_environment, runtime_env
from rayexec.launch.job_file import JobSource
from rayexec.launch.launch_request import LaunchRequest, origin_of
from rayexec.launch.launcher_versions import LAUNCHED_FROM, versions
from rayexec.launch.linked_file import holds_home, linked_file
from rayexec.launch.notes import LaunchNote, find_note, run_id_in_use
from rayexec.launch.own_wheel import own_wheel

if TYPE_CHECKING:
    from rayexec.cluster.jobs_api import Jobs
    from rayexec.cluster.packing import Packing

__all__ = ["Submission"]

_CONFIG_IN_PACKAGE = ".rayexec/run-config.yaml"


@dataclass(frozen=True, slots=True)
class Submission:
    """A run on its way to a cluster.

    ``command`` gives the arguments of Python there, from the paths of the job's file and of its run
    config in the package. ``stop_wait_s`` is the least time that Ray gives the driver to end.
    """

    request: LaunchRequest
    target: ClusterTarget
    command: Callable[[str | None, Sequence[str]], list[str]]
    say: Callable[[str], object]
    stop_wait_s: int = 0

    def submit(self) -> ClusterDriver:
        """Pack the code, submit the job, and note the run.

        Raises LoadError for a mistake in the request, and EngineError if the cluster refuses.
        """
        from rayexec.cluster.jobs_api import STOP_WAIT, checked_address
        from rayexec.cluster.packing import survey

        request = self.request
        config = request.checked_config()
        address = checked_address(self.target.address)
        root = _package_root(request.source, self.target)
        given = read_environment(self.target.runtime_env)
        wheel = own_wheel() if self.target.send_rayexec else None
        environment = runtime_env(
            replace(self.target, runtime_env=given),
            config,
            request.store,
            self.stop_wait_s,
            () if wheel is None else (wheel.requirement,),
        )
        file = None if request.source.file is None else _within(root, request.source.file)
        packing = survey(root)
        if file is not None and file not in packing.sizes:
            raise LoadError(
                f"{request.source.file} would not be sent: it is hidden, or named by an ignore "
                f"file in {root}."
            )
        if find_note(request.run_id) is not None:
            raise run_id_in_use(request.run_id)
        added: dict[str, bytes] = {}
        link = None if file is None else linked_file(root, file, self.say)
        if config is not None:
            added[_CONFIG_IN_PACKAGE] = yaml.safe_dump(dict(config), sort_keys=False).encode()
        # By `exec` the shell becomes Python, so that a signal reaches it. The versions are for the
        # driver alone: workers, and runs that ops start, inherit the runtime environment.
        entrypoint = f"{LAUNCHED_FROM}={shlex.quote(versions())} exec python "
        entrypoint += shlex.join(self.command(file, tuple(added)))
        if link is not None:
            entrypoint = link.command + entrypoint
            added |= link.added
        if wheel is not None:
            added[wheel.path] = wheel.content
        jobs = connect_jobs(address)
        self._compare_versions(jobs)
        sent = {
            "working_dir": str(root),
            "pip": list(self.target.pip),
            "send_rayexec": self.target.send_rayexec,
            "runtime_env": given,
            "stop_wait": environment["env_vars"][STOP_WAIT],
        }
        note = LaunchNote(
            request.run_id,
            time.time(),
            origin_of(request.source),
            request.store,
            address,
            submitting=True,
            sent=sent,
        )
        with tempfile.TemporaryDirectory() as scratch:
            archive = Path(scratch, "package.zip")
            size = self._pack(packing, archive, added)
            note.write()  # before the job: a run that nobody has noted would be lost
            try:
                jobs.submit(
                    request.run_id,
                    entrypoint,
                    archive,
                    environment,
                    {"rayexec_source": note.source},
                )
            except EngineError:
                note.remove()
                raise
        note = replace(note, submitting=False)
        note.write()
        package = SentPackage(packing, file, size)
        return ClusterDriver(note, lambda _: jobs, package, self.say)

    def _pack(self, packing: Packing, archive: Path, added: dict[str, bytes]) -> int:
        """Write the package; return its size in bytes."""
        from rayexec.cluster.jobs_api import package_limit
        from rayexec.cluster.packing import megabytes, pack

        root, limit = packing.root, package_limit()
        if packing.size > limit:  # now, since the compression takes long before it fails
            path, largest = packing.largest()[0]
            self.say(
                f"Packing {root}: {megabytes(packing.size)}, of which Ray's Jobs API takes "
                f"{megabytes(limit)} when compressed. The largest file is {path}, "
                f"{megabytes(largest)}."
            )
        size = pack(packing, archive, limit=limit, added=added)
        count = len(packing.sizes)
        self.say(
            f"Packed {root}: {count:,} file{'' if count == 1 else 's'}, "
            f"{megabytes(packing.size)}, {megabytes(size)} compressed."
        )
        return size

    def _compare_versions(self, jobs: Jobs) -> None:
        """Warn of another Ray on the cluster; its driver warns of other differences."""
        here = importlib.metadata.version("ray")
        if jobs.ray_version != here:
            self.say(
                f"Warning: the cluster at {jobs.address} has Ray {jobs.ray_version}, this machine "
                f"{here}. Where the run fails for that, install the same on both sides."
            )


def _package_root(source: JobSource, target: ClusterTarget) -> Path:
    """Return the directory to send.

    Raises LoadError for one that holds the home directory, unless the target names it.
    """
    if target.working_dir is not None:
        return Path(os.path.abspath(target.working_dir))
    root = Path(os.path.abspath(source.file.parent if source.file is not None else Path.cwd()))
    if holds_home(root):
        raise LoadError(
            f"all of {root} would be sent to the cluster, which holds your home directory: put "
            "the job in a directory of its own, or say what to send with --working-dir DIR, "
            f"which may be {root} too."
        )
    return root


def _within(root: Path, file: Path) -> str:
    path = Path(os.path.abspath(file))
    if not path.is_relative_to(root):
        raise LoadError(f"{file} is not in {root}: give a --working-dir that holds it.")
    return path.relative_to(root).as_posix()
