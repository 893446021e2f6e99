"""Messages that a tab sends through the live channel."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rayexec.web.models.base import Model
from rayexec.web.models.run_parts import LineChoice

__all__ = ["Following", "LiveRequest"]

TopicName = Annotated[str, Field(max_length=160)]
_MOST_TOPICS = 50


class Following(LineChoice):
    """The lines of a run that a tab asks for as they come."""

    start: int | None = Field(
        default=None,
        alias="from",
        ge=0,
        description="Number of the first line; null begins with the next one.",
        examples=[0],
    )


class LiveRequest(Model):
    """A message of a tab; ``watch`` replaces its whole list of topics."""

    watch: list[TopicName] | None = Field(
        default=None,
        max_length=_MOST_TOPICS,
        description="Topics; they replace the list before.",
        examples=[["runs", "run/3f2a9c1e"]],
    )
    have: dict[TopicName, Annotated[int, Field(ge=0)]] | None = Field(
        default=None,
        description="Rows that the tab has already, by topic.",
        examples=[{"run/3f2a9c1e": 1200}],
    )
    follow: dict[TopicName, Following | None] | None = Field(
        default=None, description="Lines to send as they come, by topic; null ends that."
    )
