"""Sender of reports: messages of a running batch to its driver."""

from __future__ import annotations

import socket

from rayexec.engine.ray.protocol.framing import (
    ACCEPTED,
    CONNECT_TIMEOUT_S,
    Address,
    FrameError,
    frame,
)
from rayexec.engine.ray.protocol.worker_messages import Report, encode

__all__ = ["ReportSender"]

_ACCEPT_TIMEOUT_S = 30.0  # a driver may be busy, or stopped for a while


class ReportSender:
    """Sends the reports of one batch; any thread may.

    Without an address, or once the driver cannot be reached, it sends nothing more: the driver gets
    it all with the batch's answer.
    """

    def __init__(self, address: Address | None) -> None:
        self._address = address

    @property
    def is_connected(self) -> bool:
        """False once nothing more is sent."""
        return self._address is not None

    def send(self, report: Report, *, in_order: bool = False) -> bool:
        """Send a report; returns False for a driver out of reach.

        With ``in_order`` it waits until the driver has the report, so that the next one from this
        thread cannot overtake it.
        """
        address = self._address
        if address is None:
            return False
        try:
            data = frame(address, encode(report))
            with socket.create_connection(
                (address.host, address.port), timeout=CONNECT_TIMEOUT_S
            ) as connection:
                connection.sendall(data)
                if in_order:
                    connection.settimeout(_ACCEPT_TIMEOUT_S)
                    if connection.recv(1) != ACCEPTED:
                        raise FrameError("the driver has dropped a report")
        except (OSError, FrameError):
            self._address = None  # a second try would wait as long again
            return False
        return True
