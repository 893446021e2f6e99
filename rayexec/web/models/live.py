"""Messages that a tab sends through the live channel."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rayexec.web.models.base import Model

__all__ = ["Following", "LiveRequest"]

TopicName = Annotated[str, Field(max_length=160)]
_MOST_TOPICS = 50


class Following(Model):
    """The lines of a run that a tab asks for as they come."""

    step: str | None = None
    kind: Literal["event", "log", "stdout", "stderr"] | None = None
    text: str | None = None
    level: str | None = None
    #: The first line; None begins with the next one.
    start: int | None = Field(default=None, alias="from", ge=0)


class LiveRequest(Model):
    """A message of a tab; ``watch`` replaces its whole list of topics."""

    watch: list[TopicName] | None = Field(default=None, max_length=_MOST_TOPICS)
    have: dict[TopicName, Annotated[int, Field(ge=0)]] | None = None
    follow: dict[TopicName, Following | None] | None = None
