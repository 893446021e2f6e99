"""Ray that is ready for runs of one program: its own one, or a given one, with a spare driver."""

from __future__ import annotations

import enum
import threading
from typing import Any

from rayexec.cluster.gcs_watch import answers
from rayexec.cluster.local_cluster import running
from rayexec.cluster.warm_ray import WarmRay
from rayexec.errors import EngineError
from rayexec.launch.dependent_runs import DependentRuns
from rayexec.launch.spare_driver import SpareDrivers

__all__ = ["ClusterState", "WarmCluster"]

_ANSWER_TIMEOUT_S = 0.5
_LOST = "The Ray that was started here has died. Start, or the next launch, starts another one."


class ClusterState(str, enum.Enum):
    """State of the Ray."""

    #: Nobody has asked for one.
    NONE = "none"
    STARTING = "starting"
    UP = "up"
    #: It was up, or has an address, and does not answer.
    AWAY = "away"


class WarmCluster:
    """The Ray at ``address``, or without one a Ray that starts with ``begin`` and ends with this.

    Any thread may call its methods; only ``close`` and ``stop`` wait. This process imports no Ray.
    """

    def __init__(self, address: str | None = None) -> None:
        self._given = address
        self._lock = threading.Lock()
        self._address = None if address in (None, "auto") else address
        self._ray: WarmRay | None = None
        self._spares: SpareDrivers | None = None
        self._start: threading.Thread | None = None
        self._error: str | None = None
        self._is_closed = False
        #: Runs on this Ray; an own one ends, and they with it.
        self.runs = DependentRuns()

    @property
    def is_own(self) -> bool:
        """Whether the Ray starts and ends here."""
        return self._given is None

    @property
    def address(self) -> str | None:
        """HOST:PORT of the Ray; None before its start."""
        return self._address

    @property
    def error(self) -> str | None:
        """Reason why there is no Ray, if its start failed."""
        return self._error

    @property
    def spares(self) -> SpareDrivers | None:
        """Drivers that are ready for a run there; None before the start."""
        return self._spares

    @property
    def state(self) -> ClusterState:
        """State of the Ray, by a question to it of a millisecond."""
        if self._start is not None and self._start.is_alive():
            return ClusterState.STARTING
        address, ray = self._address, self._ray
        if address is None:
            return ClusterState.AWAY if self._error and not self.is_own else ClusterState.NONE
        is_alive = ray.is_alive if ray is not None else answers(address, _ANSWER_TIMEOUT_S)
        return ClusterState.UP if is_alive else ClusterState.AWAY

    def facts(self) -> dict[str, Any]:
        """Return the facts for pages, as JSON-able data."""
        state = self.state
        is_away = state in (ClusterState.NONE, ClusterState.AWAY)
        is_lost = self.is_own and state is ClusterState.AWAY
        return {
            "address": self._address or self._given,
            "is_own": self.is_own,
            "state": state.value,
            "error": self._error or (_LOST if is_lost else None) if is_away else None,
        }

    def begin(self) -> None:
        """Begin to start the Ray, and a spare driver on it; at once if both are there."""
        with self._lock:
            if self._is_closed or (self._start is not None and self._start.is_alive()):
                return
            if self._spares is not None and self.state is ClusterState.UP:
                return
            self._error = None
            self._start = threading.Thread(target=self._bring_up, name="rayexec-warm-cluster")
            self._start.daemon = True
            self._start.start()

    def _bring_up(self) -> None:
        try:
            self._end()
            if self.is_own:
                self._ray = ray = WarmRay()
                address = ray.address()
            else:
                address = self._address_given()
        except EngineError as error:
            self._error = str(error)
            self._end()
            return
        with self._lock:
            self._address = address
            if not self._is_closed:
                self._spares = SpareDrivers(address)

    def _address_given(self) -> str:
        assert self._given is not None
        address = running() if self._given == "auto" else self._given
        if address is None:
            raise EngineError(
                "no cluster runs on this machine. Start one with `rayexec cluster up`, or leave "
                "the address out: then one is started here."
            )
        if not answers(address):
            raise EngineError(f"no Ray answers at {address}.")
        return address

    def wait(self) -> str:
        """Wait for the start that ``begin`` began, and return HOST:PORT; raises EngineError."""
        start = self._start
        if start is not None:
            start.join()
        if self._address is None or self._error is not None:
            raise EngineError(self._error or "no Ray was asked for.")
        return self._address

    def stop(self) -> None:
        """End the Ray, if it is an own one, and the spare driver; ``begin`` starts anew."""
        start = self._start
        if start is not None:
            if self._ray is not None and start.is_alive():
                self._ray.close()
            start.join()
        self._end()
        self._error = None

    def _end(self) -> None:
        with self._lock:
            ray, spares = self._ray, self._spares
            self._ray, self._spares = None, None
            if self.is_own:
                self._address = None
        if spares is not None:
            spares.close()
        if ray is not None:
            ray.close()

    def close(self) -> None:
        """End all that this started, for good."""
        self._is_closed = True
        self.stop()
