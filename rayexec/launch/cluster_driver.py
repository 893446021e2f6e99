"""Drivers on clusters, by Ray's Jobs API; the id of a run is its job's submission id too."""

from __future__ import annotations

import contextlib
import shlex
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rayexec._version import DISTRIBUTION
from rayexec.errors import EngineError
from rayexec.events import RunStatus
from rayexec.launch.driver_process import DriverEnd, DriverProcess, signal_name
from rayexec.launch.environment import ClusterTarget, runtime_env
from rayexec.launch.notes import LaunchNote, find_note
from rayexec.launch.own_wheel import own_wheel
from rayexec.launch.polling import ClusterPoll
from rayexec.store import RunRecord, is_over

if TYPE_CHECKING:
    from rayexec.cluster.jobs_api import Jobs, JobState
    from rayexec.cluster.packing import Packing

__all__ = ["ClusterDriver", "SentPackage", "connect_jobs", "find_unsent", "target_of"]

STATE_INTERVAL_S = 0.2
SUBMISSION_LIMIT_S = 3600.0  # after it, a package has arrived or never will
_FAILED = 1
_STATUSES = {
    "SUCCEEDED": RunStatus.SUCCESS,
    "FAILED": RunStatus.FAILURE,
    "STOPPED": RunStatus.CANCELED,
}


@dataclass(frozen=True, slots=True)
class SentPackage:
    """The code that a cluster got: ``file`` is the job's path in it, ``size`` its bytes as zip."""

    packing: Packing
    file: str | None
    size: int


def connect_jobs(address: str) -> Jobs:
    """Return the jobs of the cluster at an address; raises EngineError if it does not answer."""
    from rayexec.cluster.jobs_api import Jobs

    return Jobs(address)


class ClusterDriver(DriverProcess):
    """A driver that a cluster runs as a job.

    ``connect`` opens the connection at the first question. ``package`` is there if this process
    launched the run; it explains modules that the cluster lacks.
    """

    def __init__(
        self,
        note: LaunchNote,
        connect: Callable[[str], Jobs] = connect_jobs,
        package: SentPackage | None = None,
        say: Callable[[str], object] | None = None,
    ) -> None:
        super().__init__(note)
        assert note.address is not None
        self.address = note.address
        self._connect = connect
        self._package = package
        self._say = say
        self._connected: Jobs | None = None

    def _jobs(self) -> Jobs:
        if self._connected is None:
            self._connected = self._connect(self.address)
        return self._connected

    def record(self) -> RunRecord:
        """Return the state of the run by the cluster's answer, and note the end of one."""
        from rayexec.cluster.jobs_api import UnknownJobError

        stored_note = find_note(self.note.run_id)
        note = stored_note or self.note
        if note.ended is not None:
            status = RunStatus(note.ended["status"])
            return note.record(status, note.ended["note"], note.ended["end_time"])
        try:
            state = self._jobs().state(note.run_id)
        except UnknownJobError:
            if note.submitting and time.time() - note.time < SUBMISSION_LIMIT_S:
                return note.record(RunStatus.STARTED, f"being sent to {self.address}")
            return note.record(
                RunStatus.FAILURE,
                f"{self.address} does not know it any more, so that its driver is gone",
            )
        status = _STATUSES.get(state.status, RunStatus.STARTED)
        record = note.record(status, f"on {self.address}{_remarks(state)}", state.end_time)
        if is_over(record) and stored_note is not None:
            ended = {"status": status, "note": record.note, "end_time": record.end_time}
            with contextlib.suppress(EngineError):
                replace(note, submitting=False, ended=ended).write()
        return record

    def output(self, *, follow: bool) -> Iterator[str]:
        """Yield the log of the job."""
        jobs = self._jobs()
        yield from jobs.follow(self.note.run_id) if follow else [jobs.log(self.note.run_id)]

    def stop(self, *, force: bool = False) -> None:
        """Stop the job; with ``force``, have the cluster end the steps of the run too.

        Ray's Jobs API can only stop a job in an orderly way. So force is a second job, which runs
        ``rayexec run cancel --force`` beside the store of the run.
        """
        from rayexec.cluster.jobs_api import package_limit
        from rayexec.cluster.packing import Packing, pack

        if self.note.ended is not None:
            return
        if not force:
            self._jobs().stop(self.note.run_id)
            return
        # Before the stop: a bad environment must not leave the run half canceled.
        target = target_of(self.note)
        wheel = own_wheel() if target.send_rayexec else None
        packages = () if wheel is None else (wheel.requirement,)
        environment = runtime_env(target, None, self.note.store, packages=packages)
        run_id = self.note.run_id
        entrypoint = f"exec python -m rayexec run cancel {shlex.quote(run_id)} --force --no-wait"
        name = f"{run_id}-force-{uuid.uuid4().hex[:6]}"
        jobs = self._jobs()
        jobs.stop(run_id)
        with contextlib.ExitStack() as scratch:
            archive = None
            if wheel is not None:
                archive = Path(scratch.enter_context(tempfile.TemporaryDirectory()), "wheel.zip")
                packing = Packing(archive.parent, {})
                pack(packing, archive, limit=package_limit(), added={wheel.path: wheel.content})
            jobs.submit(name, entrypoint, archive, environment, {"rayexec_cancels": run_id})

    def wait(self) -> DriverEnd:
        """Wait until the job is over, and explain its failure.

        The status of a job follows the end of its log a little later.
        """
        from rayexec.cluster.jobs_api import UnknownJobError

        poll = ClusterPoll(self.note.run_id, self._say)
        jobs, run_id = self._jobs(), self.note.run_id
        try:
            while (state := poll.ask(lambda: jobs.state(run_id))) is None or not state.is_over:
                time.sleep(STATE_INTERVAL_S)
        except UnknownJobError:
            gone = f"the Ray at {self.address} does not know the run any more: its driver is gone."
            return DriverEnd(_FAILED, (gone,))
        if state.status == "SUCCEEDED":
            return DriverEnd(0)
        code = state.exit_code
        explanations = tuple(_explanations(state, self._unsent))
        return DriverEnd(code if code is not None and code > 0 else _FAILED, explanations)

    def _unsent(self, module: str) -> Path | None:
        if self._package is None:
            return None
        return find_unsent(module, self._package.packing, self._package.file)

    def describe(self) -> Mapping[str, Any]:
        """Return the id of the run, its store, and the code that the cluster got."""
        note = self.note
        facts = {
            "run_id": note.run_id,
            "address": self.address,
            "submission_id": note.run_id,
            "store": note.store,
            "working_dir": note.sent.get("working_dir"),
        }
        if self._package is not None:
            packing = self._package.packing
            facts["package"] = {
                "files": len(packing.sizes),
                "bytes": packing.size,
                "compressed": self._package.size,
            }
        return facts


def target_of(note: LaunchNote, working_dir: Path | None = None) -> ClusterTarget:
    """Return the cluster of a launched run, with the packages and environment that it got."""
    assert note.address is not None
    sent = note.sent
    pip = tuple(sent.get("pip") or ())
    return ClusterTarget(
        note.address, working_dir, pip, sent.get("runtime_env"), bool(sent.get("send_rayexec"))
    )


def find_unsent(module: str, packing: Packing, file: str | None) -> Path | None:
    """Return the path of a module that exists here and is not in the package.

    ``file`` is the job's path in the package; modules beside it count. None if there is no module
    of that name, or the package has it.
    """
    beside = packing.root.joinpath(file or "job.py").parent
    for base in (packing.root, beside):
        stem = base.joinpath(*module.split("."))
        for path in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py", stem):
            name = path.relative_to(packing.root).as_posix()
            is_sent = name in packing.sizes or any(
                sent.startswith(f"{name}/") for sent in packing.sizes
            )
            if path.exists() and not is_sent:
                return path
    return None


def _remarks(state: JobState) -> str:
    """Return the remarks on a job in the note of its run's record."""
    remarks = ""
    if state.exit_code:
        code = state.exit_code
        is_own_code = code > 0
        remarks = f", exit code {code}" if is_own_code else f", driver died of {signal_name(-code)}"
    if state.lacks is not None:
        module = "rayexec" if state.lacks.startswith("rayexec") else f"module {state.lacks}"
        remarks += f", {module} is not installed there"
    return f"{remarks}, about to begin" if state.status == "PENDING" else remarks


def _explanations(state: JobState, unsent: Callable[[str], Path | None]) -> Iterator[str]:
    """Yield the reasons of a failure that the job's log lacks."""
    from rayexec.cluster.jobs_api import OTHER_PROJECT
    from rayexec.cluster.packing import IGNORE_FILES

    if state.exit_code is None and state.status == "FAILED":
        yield state.message or "the run could not be started."
    if state.lacks == "rayexec":
        yield (
            "rayexec is not installed on the cluster: send it with --send-rayexec, or have it "
            "installed there."
        )
    elif state.lacks == OTHER_PROJECT:
        yield (
            "what the cluster has under the name rayexec is not this package: on the package index "
            "that name is another project's, or it is only a directory. Send this one with "
            f"--send-rayexec, or have {DISTRIBUTION} installed there in its place."
        )
    elif state.lacks is not None and (path := unsent(state.lacks)) is not None:
        yield (
            f"the cluster has no module {state.lacks!r}: {path} was not sent, since it is hidden "
            f"or an ignore file ({', '.join(IGNORE_FILES)}) names it. A line such as !{path.name} "
            "in .rayexecignore takes it back."
        )
    elif state.lacks is not None:
        yield (
            f"the cluster has no module {state.lacks!r}: name the package that it is in with "
            "--pip, or have it installed there. If it is code of yours, send the directory that "
            "holds it with --working-dir."
        )
    if state.exit_code is not None and state.exit_code < 0:
        yield f"the driver of the run was killed ({signal_name(-state.exit_code)})."
