"""Ray's Jobs API: scripts that a cluster runs, over HTTP at the dashboard of its head.

Ray's own client waits for ever for a dead address, says little of a token, and takes a second to
import. So a first question tests the address, and plain questions go without that client. No other
module imports ``ray.job_submission``.
"""

from __future__ import annotations

import contextlib
import functools
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

from rayexec.cluster.tokens import AUTH_MODE, TOKEN_PATH, refresh, token, token_path
from rayexec.errors import EngineError, LoadError

__all__ = [
    "OTHER_PROJECT",
    "STOP_WAIT",
    "JobState",
    "Jobs",
    "UnknownJobError",
    "checked_address",
    "package_limit",
    "reason_in",
]

#: Variable in the environment of a job: the seconds from a stop until Ray kills it.
STOP_WAIT = "RAY_JOB_STOP_WAIT_TIME_S"
ANSWER_TIMEOUT_S = 5.0  # after it, an address counts as dead
QUESTION_TIMEOUT_S = 60.0  # for a cluster that has answered before, and may be busy
# Variables that make Ray's client use another cluster.
_OVERRIDES = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")
# The last line of a traceback, or the first one of its message.
_RAISED = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception)\b")
_LACKING = re.compile(r"No module named '([\w.]+)'")
# Of Python, for a package that cannot be run by its name, or not even be imported.
_NOT_OURS = re.compile(
    r"No module named rayexec\.__main__;|finding module specification for 'rayexec\.__main__'"
    r"|No module named 'rayexec\.rayexec'"
)
_NOT_FOUND = 404
_LOAD_ERROR = 2  # exit code of a command without its job
_ENDED = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})


#: Stands for this package where another project's has its name.
OTHER_PROJECT = "rayexec of another project"


class UnknownJobError(EngineError):
    """A cluster has no such job, after a new start of its head or of another one there."""


@dataclass(frozen=True, slots=True)
class JobState:
    """A job of a cluster: Ray's status of it, the exit code of its driver, and its times.

    Times are in seconds since 1970.
    """

    status: str
    exit_code: int | None
    message: str
    start_time: float | None
    end_time: float | None

    @property
    def is_over(self) -> bool:
        """Whether the job has ended."""
        return self.status in _ENDED

    @property
    def lacks(self) -> str | None:
        """The missing module of a failed job: rayexec, or an import of the job's file.

        OTHER_PROJECT stands for a package of another project under the name rayexec.
        """
        if self.status != "FAILED":
            return None
        if _NOT_OURS.search(self.message):
            return OTHER_PROJECT
        if "No module named rayexec" in self.message:
            return "rayexec"
        modules = _LACKING.findall(self.message) if self.exit_code == _LOAD_ERROR else []
        return str(modules[-1]) if modules else None


def checked_address(address: str) -> str:
    """Return the URL of a dashboard without a final slash; raises LoadError for another address."""
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
    except ValueError:  # the port is no number
        is_whole = False
    if not is_whole:
        raise LoadError(f"{address} is not a URL: write it as http://HOST:8265.")
    return address.rstrip("/")


def package_limit() -> int:
    """Return the limit of a package in bytes."""
    from ray._private import ray_constants

    # The dashboard takes requests up to 100 MiB; the store behind it would take 500 MiB.
    return int(getattr(ray_constants, "DASHBOARD_CLIENT_MAX_SIZE", 100 * 1024**2))


class Jobs:
    """The jobs of the cluster with the dashboard at ``address``; ``ray_version`` is its Ray.

    Raises LoadError for an address of another kind, and EngineError within ten seconds without an
    answer or access. Methods raise EngineError if the cluster fails.
    """

    def __init__(self, address: str) -> None:
        self.address = checked_address(address)
        self.ray_version, self._token = _check(self.address)
        self._client: Any = None

    def _sdk(self) -> Any:
        """Return Ray's own client, for more than a question and its answer."""
        if self._client is not None:
            return self._client
        if self._token is not None:
            refresh()
        from ray.job_submission import JobSubmissionClient

        for name in ("ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk"):
            logging.getLogger(name).setLevel(logging.WARNING)
        given = {name: os.environ.pop(name) for name in _OVERRIDES if name in os.environ}
        try:
            with self._errors("be reached"):
                self._client = JobSubmissionClient(self.address)
        finally:
            os.environ.update(given)
        return self._client

    def _ask(self, path: str, *, method: str = "GET") -> Any:
        """Return the answer of the Jobs API."""
        url = f"{self.address}/api/jobs/{path}"
        request = urllib.request.Request(url, headers=_headers(self._token), method=method)
        try:
            with _opener().open(request, timeout=QUESTION_TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode(errors="replace") or str(error.reason)
            # Ray's own message; a proxy has another one.
            if error.code == _NOT_FOUND and "does not exist" in text:
                raise UnknownJobError(
                    f"the Ray at {self.address} does not know the job: {text}"
                ) from None
            raise RuntimeError(text) from None

    def submit(
        self,
        job_id: str,
        entrypoint: str,
        package: Path | None,
        runtime_env: Mapping[str, Any],
        metadata: Mapping[str, str],
    ) -> None:
        """Have the cluster run a command in the directory of ``package``, a zip file."""
        sent = {} if package is None else {"working_dir": str(package)}
        with self._errors("take the job"):
            self._sdk().submit_job(
                entrypoint=entrypoint,
                submission_id=job_id,
                runtime_env={**runtime_env, **sent},
                metadata=dict(metadata),
            )

    def state(self, job_id: str) -> JobState:
        """Return the state of a job; raises UnknownJobError for an unknown one."""
        with self._errors("tell of the job"):
            answer = self._ask(job_id)
            return JobState(
                answer["status"],
                answer.get("driver_exit_code"),
                reason_in(answer.get("message") or ""),
                answer["start_time"] / 1000 if answer.get("start_time") else None,
                answer["end_time"] / 1000 if answer.get("end_time") else None,
            )

    def log(self, job_id: str) -> str:
        """Return the output of a job so far."""
        with self._errors("send the job's log"):
            return str(self._ask(f"{job_id}/logs")["logs"])

    def follow(self, job_id: str) -> Iterator[str]:
        """Yield the output of a job, from its beginning to its end."""
        import asyncio

        parts = self._sdk().tail_job_logs(job_id)
        loop = asyncio.new_event_loop()
        try:
            with self._errors("send the job's log"):
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
        """Ask a job to end; False if it was over."""
        with self._errors("stop the job"):
            return bool(self._ask(f"{job_id}/stop", method="POST")["stopped"])

    @contextlib.contextmanager
    def _errors(self, action: str) -> Iterator[None]:
        try:
            yield
        except (LoadError, EngineError):
            raise
        except Exception as error:  # RuntimeError for a bad answer, and all errors of HTTP
            raise EngineError(
                f"the Ray at {self.address} cannot {action}: "
                f"{reason_in(str(error)) or type(error).__name__}"
            ) from error


def reason_in(text: str) -> str:
    """Return the reason of a failure: of a text with tracebacks, the last exception."""
    if "Traceback (most recent call last)" in text:
        lines = text.splitlines()
        raised = [index for index, line in enumerate(lines) if _RAISED.match(line)]
        if raised:
            text = "\n".join(line for line in lines[raised[-1] :] if line != ".")
    return text.strip()


class _Staying(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the token would go along, to wherever the answer says."""

    def redirect_request(self, *_: Any) -> None:
        """Return no other request, so that the answer is an error."""


@functools.cache
def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_Staying)


def _headers(sent_token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {sent_token}"} if sent_token else {}


def _check(address: str) -> tuple[str, str | None]:
    """Return the version of a Ray, and its token, which is then set for Ray's client.

    Only a cluster that asks for a token sees ours. Raises EngineError without an answer or access.
    """
    own_token = None
    status, body = _ask(address, None)
    if status in (401, 403) and os.environ.get(AUTH_MODE, "").lower() != "k8s":
        own_token = token()
        if own_token is None:
            raise EngineError(
                f"the Ray at {address} asks for a token, and there is none here: copy "
                f"{token_path()} from the machine where the cluster was started, or set "
                f"{TOKEN_PATH} to where it is."
            )
        status, body = _ask(address, own_token)
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
    return str(body["ray_version"]), own_token


def _ask(address: str, sent_token: str | None) -> tuple[int, Mapping[str, Any]]:
    request = urllib.request.Request(f"{address}/api/version", headers=_headers(sent_token))
    try:
        with _opener().open(request, timeout=ANSWER_TIMEOUT_S) as answer:
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
