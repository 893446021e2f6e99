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

    step: str | None = Field(
        default=None, description="Key of a step or path of a node.", examples=["load[p3]"]
    )
    kind: Literal["event", "log", "stdout", "stderr"] | None = Field(
        default=None, description="Kind of lines.", examples=["log"]
    )
    text: str | None = Field(
        default=None, description="Part of the line, in any case.", examples=["error"]
    )
    level: str | None = Field(
        default=None, description="Least level by name.", examples=["WARNING"]
    )
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
