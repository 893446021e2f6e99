"""Sender of reports: messages of a running batch to its driver."""

from __future__ import annotations

import socket

from rayexec.engine.ray.protocol.framing import CONNECT_TIMEOUT_S, Address, FrameError, frame
from rayexec.engine.ray.protocol.worker_messages import Report, encode

__all__ = ["ReportSender"]


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

    def send(self, report: Report) -> bool:
        """Send a report; returns False for a driver out of reach."""
        address = self._address
        if address is None:
            return False
        try:
            data = frame(address, encode(report))
            with socket.create_connection(
                (address.host, address.port), timeout=CONNECT_TIMEOUT_S
            ) as connection:
                connection.sendall(data)
        except (OSError, FrameError):
            self._address = None  # a second try would wait as long again
            return False
        return True
