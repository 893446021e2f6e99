"""The live channel: one WebSocket a tab, with topics that several tabs share."""

from __future__ import annotations

from typing import Any

__all__ = ["Live"]


class Live:
    """Topics, and the tabs that watch them."""

    def publish(self, topic: str, kind: str, data: Any) -> None:
        """Send a message to all tabs that watch a topic; call it on the loop."""
