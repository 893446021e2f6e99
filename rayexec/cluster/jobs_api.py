"""Ray's Jobs API: scripts that a cluster runs itself, reached over HTTP at the dashboard of its
head.

Ray's own client waits for ever where nothing answers, says little of a token, and takes a second to
import. So the address is asked one question first, and plain questions are asked without it. This
is the one place that imports ``ray.job_submission``.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rayexec.cluster.access import refresh
from rayexec.cluster.tokens import AUTH_MODE, TOKEN_PATH, token, token_path
from rayexec.errors import EngineError, LoadError

__all__ = [
    "STOP_WAIT",
    "JobState",
    "Jobs",
    "UnknownJobError",
    "checked_address",
    "package_limit",
    "reason_in",
]

# How long Ray waits for a job to end that is asked to, in seconds, read in the environment of the
# job.
STOP_WAIT = "RAY_JOB_STOP_WAIT_TIME_S"
_ANSWER_TIMEOUT = 5.0  # seconds until an address counts as dead
_TIMEOUT = 60.0  # seconds for a question to a cluster that has answered, and may be busy
_OVERRIDES = (
    "RAY_ADDRESS",
    "RAY_API_SERVER_ADDRESS",
)  # by which Ray would take another cluster than was asked for
_RAISED = re.compile(
    r"[A-Za-z_][\w.]*(?:Error|Exception)\b"
)  # the last line of a traceback, or the first of its message
_LACKING = re.compile(r"No module named '([\w.]+)'")
_NOT_FOUND = 404
_USAGE = 2  # the exit code of a command whose job could not be loaded
_ENDED = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})


class UnknownJobError(EngineError):
    """A cluster has no such job: its head was started again since, or it is another cluster at the
    same address.
    """


@dataclass(frozen=True, slots=True)
class JobState:
    """A job of a cluster: its status in Ray's words, its driver's exit code, and when it began and
    ended.

    Times are seconds since 1970.
    """

    status: str
    exit_code: int | None
    message: str
    start_time: float | None
    end_time: float | None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in _ENDED

    @property
    def lacks(self) -> str | None:
        """The module for lack of which it failed: rayexec, or one that the job's file imports."""
        if self.status != "FAILED":
            return None
        if "No module named rayexec" in self.message:
            return "rayexec"
        found = _LACKING.findall(self.message) if self.exit_code == _USAGE else []
        return str(found[-1]) if found else None


def checked_address(address: str) -> str:
    """Return the URL of a dashboard without a slash at its end; raises LoadError for any other
    address.
    """
    host = urlsplit(address if "://" in address else f"//{address}").hostname or "HOST"
    if address.startswith("ray://"):
        raise LoadError(
            f"{address} is a Ray Client address, which rayexec does not use: the run would end "
            "with this machine, and be slow until then. Give the dashboard of the cluster's "
            f"head, such as http://{host}:8265."
        )
    if not address.startswith(("http://", "https://")):
        raise LoadError(
            f"{address} is not the URL of a cluster's dashboard, to which jobs are submitted. "
            f"Give one such as http://{host if host != 'auto' else '127.0.0.1'}:8265 (rayexec "
            "cluster up --dashboard prints its own)."
        )
    try:
        parts = urlsplit(address)
        is_whole = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number
        is_whole = False
    if not is_whole:
        raise LoadError(f"{address} is not a URL: write it as http://HOST:8265.")
    return address.rstrip("/")


def package_limit() -> int:
    """Return the most bytes that the Jobs API takes as one package."""
    from ray._private import ray_constants

    # The dashboard takes no larger request (100 MiB), less than the store behind it would (500
    # MiB).
    return int(getattr(ray_constants, "DASHBOARD_CLIENT_MAX_SIZE", 100 * 1024**2))


class Jobs:
    """The jobs of the cluster whose dashboard is at ``address``; ``ray_version`` is of the Ray
    there.

    Raises LoadError for an address of another kind, and EngineError, within ten seconds, where no
    Ray answers, or none that lets us in; so does each method where the cluster fails.
    """

    def __init__(self, address: str) -> None:
        self.address = checked_address(address)
        self.ray_version, self._token = _check(self.address)
        self._client: Any = None

    def _sdk(self) -> Any:
        """Return Ray's own client, whose import takes a second: for what needs more than a question
        and its answer.
        """
        if self._client is not None:
            return self._client
        if self._token is not None:
            refresh()
        from ray.job_submission import JobSubmissionClient

        for name in ("ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk"):
            logging.getLogger(name).setLevel(logging.WARNING)
        given = {name: os.environ.pop(name) for name in _OVERRIDES if name in os.environ}
        try:
            with self._told("be reached"):
                self._client = JobSubmissionClient(self.address)
        finally:
            os.environ.update(given)
        return self._client

    def _ask(self, path: str, *, method: str = "GET") -> Any:
        """Return what the Jobs API answers."""
        url = f"{self.address}/api/jobs/{path}"
        request = urllib.request.Request(url, headers=_headers(self._token), method=method)
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                told = error.read().decode(errors="replace") or str(error.reason)
            if (
                error.code == _NOT_FOUND and "does not exist" in told
            ):  # Ray's own words; a proxy has others
                raise UnknownJobError(
                    f"the Ray at {self.address} does not know the job: {told}"
                ) from None
            raise RuntimeError(told) from None

    def submit(
        self,
        job_id: str,
        entrypoint: str,
        package: Path | None,
        runtime_env: Mapping[str, Any],
        metadata: Mapping[str, str],
    ) -> None:
        """Have the cluster run a command in the directory that ``package``, a zip file, holds,
        where there is one.
        """
        sent = {} if package is None else {"working_dir": str(package)}
        with self._told("take the job"):
            self._sdk().submit_job(
                entrypoint=entrypoint,
                submission_id=job_id,
                runtime_env={**runtime_env, **sent},
                metadata=dict(metadata),
            )

    def state(self, job_id: str) -> JobState:
        """Return how a job is; raises UnknownJobError for one that the cluster does not know, or
        not any more.
        """
        with self._told("tell of the job"):
            found = self._ask(job_id)
            return JobState(
                found["status"],
                found.get("driver_exit_code"),
                reason_in(found.get("message") or ""),
                found["start_time"] / 1000 if found.get("start_time") else None,
                found["end_time"] / 1000 if found.get("end_time") else None,
            )

    def log(self, job_id: str) -> str:
        """Return what a job has printed."""
        with self._told("send the job's log"):
            return str(self._ask(f"{job_id}/logs")["logs"])

    def follow(self, job_id: str) -> Iterator[str]:
        """Yield what a job prints, from its beginning until it is over."""
        import asyncio

        parts = self._sdk().tail_job_logs(job_id)
        loop = asyncio.new_event_loop()
        try:
            with self._told("send the job's log"):
                while True:
                    try:
                        yield loop.run_until_complete(parts.__anext__())
                    except StopAsyncIteration:
                        return
        finally:
            with contextlib.suppress(Exception):  # the connection may be gone
                loop.run_until_complete(parts.aclose())
            loop.close()

    def stop(self, job_id: str) -> bool:
        """Ask a job to end; False where it was over."""
        with self._told("stop the job"):
            return bool(self._ask(f"{job_id}/stop", method="POST")["stopped"])

    @contextlib.contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except (LoadError, EngineError):
            raise
        except (
            Exception
        ) as error:  # RuntimeError for any answer but a good one; and all that HTTP can raise
            raise EngineError(
                f"the Ray at {self.address} cannot {what}: "
                f"{reason_in(str(error)) or type(error).__name__}"
            ) from error


def reason_in(text: str) -> str:
    """Return what went wrong: of a text with tracebacks of the cluster's own code, what was raised
    last.
    """
    if "Traceback (most recent call last)" in text:
        lines = text.splitlines()
        raised = [number for number, line in enumerate(lines) if _RAISED.match(line)]
        if raised:
            text = "\n".join(line for line in lines[raised[-1] :] if line != ".")
    return text.strip()


def _headers(shown: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {shown}"} if shown else {}


def _check(address: str) -> tuple[str, str | None]:
    """Return the version of the Ray that answers, and the token that it asks for, which is set for
    Ray to use.

    Raises EngineError where none answers, or none that lets us in.

    The token is shown only to a cluster that asks for one.
    """
    known = None
    status, body = _ask(address, None)
    if status in (401, 403) and os.environ.get(AUTH_MODE, "").lower() != "k8s":
        known = token()
        if known is None:
            raise EngineError(
                f"the Ray at {address} asks for a token, and there is none here: copy "
                f"{token_path()} from the machine where the cluster was started, or set "
                f"{TOKEN_PATH} to where it is."
            )
        status, body = _ask(address, known)
        if status in (401, 403):
            raise EngineError(
                f"the Ray at {address} refuses the token that is known here: it was started with "
                "another one. Copy the file ~/.ray/auth_token of the user who started the "
                f"cluster, or set {TOKEN_PATH} to where it is."
            )
        os.environ[AUTH_MODE] = "token"
    if status != 200 or "ray_version" not in body:
        raise EngineError(
            f"what listens at {address} is not the dashboard of a Ray (it answers {status}). Give "
            "the URL that `ray start --head` or `rayexec cluster up --dashboard` printed, such "
            "as http://HOST:8265."
        )
    return str(body["ray_version"]), known


def _ask(address: str, shown: str | None) -> tuple[int, Mapping[str, Any]]:
    request = urllib.request.Request(f"{address}/api/version", headers=_headers(shown))
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_TIMEOUT) as answer:
            document = json.loads(answer.read(1 << 16))
            return answer.status, document if isinstance(document, dict) else {}
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, {}
    except ValueError:  # not JSON
        return 200, {}
    except http.client.HTTPException as error:
        raise EngineError(
            f"what listens at {address} does not speak HTTP ({type(error).__name__}): it may be "
            "another port of Ray. Give its dashboard's, which is 8265 unless it was set."
        ) from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise EngineError(
            f"no Ray answers at {address}: {reason}. Its dashboard must run (rayexec cluster up "
            "--dashboard, or ray start --head --dashboard-host=0.0.0.0) and be reachable from "
            "here."
        ) from None
