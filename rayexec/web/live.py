"""The live channel: one WebSocket a tab, with topics that several tabs share.

A topic has a source, a coroutine that runs only while somebody watches. It publishes small things
as JSON, encoded once for all tabs; a tab that is slow gets the latest of each kind and no queue.
Rows and lines of a run have positions instead: each tab has its own, and gets what is behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import WSCloseCode, WSMsgType, web
from pydantic import ValidationError

from rayexec._version import __version__
from rayexec.strict_json import json_text
from rayexec.web.faults import report_fault
from rayexec.web.models.live import Following, LiveRequest

__all__ = ["Followed", "Live", "Source", "Topic"]

MESSAGE_BYTES = 64 * 1024
_HEARTBEAT_S = 20.0
_CLOSE_S = 1.0  # A tab that sleeps does not answer at all.
_NO_VERSION = -1
#: A topic that nobody watches any more goes on for so long, for a reader who changes pages.
GRACE_S = 2.0
MOST_TABS = 200
#: Between a fault of a source and its next start.
FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0

Source = Callable[["Topic"], Awaitable[None]]


class Followed(Protocol):
    """What a tab reads of a topic by position: rows as bytes, and lines."""

    async def rows(self, start: int, version: int) -> tuple[bytes, int, int] | None:
        """Return rows from a position on, the next position, and the version of the whole.

        None if there is nothing since that version.
        """

    async def lines(self, following: Following, former: Any) -> tuple[list[Any], Any]:
        """Return new lines, and what the next call takes as ``former``; the first takes None."""


class Topic:
    """A subject that tabs watch; its source publishes here, on the loop."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tabs: set[Tab] = set()
        #: The reader of positions; a source of rows sets it.
        self.followed: Followed | None = None
        self.task: asyncio.Task[None] | None = None
        self.ending: asyncio.TimerHandle | None = None
        self._latest: dict[str, str] = {}

    def publish(self, kind: str, data: Any, *, stays: bool = True) -> None:
        """Send a message to all tabs; with ``stays``, also to those that come later.

        Data equal to the last of its kind is not sent again.
        """
        text = _encoded(self.name, kind, data)
        if stays and self._latest.get(kind) == text:
            return
        if stays:
            self._latest[kind] = text
        for tab in self.tabs:
            tab.put(self.name, kind, text)

    def wake(self) -> None:
        """Let each tab look for rows and lines behind its position."""
        for tab in self.tabs:
            tab.wake(self.name)

    def join(self, tab: Tab) -> None:
        """Add a tab, which gets the last message of each kind at once."""
        self.tabs.add(tab)
        for kind, text in self._latest.items():
            tab.put(self.name, kind, text)
        tab.wake(self.name)


@dataclass(eq=False)
class Tab:
    """A tab of a browser: the topics that it watches, and its positions in them."""

    socket: web.WebSocketResponse
    transport: asyncio.BaseTransport | None
    live: Live
    watched: set[str] = field(default_factory=set)
    #: Per topic the next row, and the version of the whole at the last message.
    have: dict[str, tuple[int, int]] = field(default_factory=dict)
    follow: dict[str, Following] = field(default_factory=dict)
    lines_at: dict[str, Any] = field(default_factory=dict)
    _messages: dict[tuple[str, str], str] = field(default_factory=dict)
    _awake: set[str] = field(default_factory=set)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, topic: str, kind: str, text: str) -> None:
        """Keep a message for the next send, in place of an earlier one of its kind."""
        self._messages[topic, kind] = text
        self._news.set()

    def wake(self, topic: str) -> None:
        """Look for rows and lines of a topic with the next send."""
        self._awake.add(topic)
        self._news.set()

    async def end(self) -> None:
        """Close the socket; one that takes nothing in any more ends without a word."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.socket.close(code=WSCloseCode.GOING_AWAY), 2 * _CLOSE_S)
        self.abort()

    def abort(self) -> None:
        """End the connection; closed, it would wait until the other end has read everything."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()

    async def send_on(self) -> None:
        """Send what there is, until the tab is gone."""
        while True:
            await self._news.wait()
            self._news.clear()
            messages, self._messages = self._messages, {}
            awake, self._awake = self._awake, set()
            for (topic, _), text in messages.items():
                if not topic or topic in self.watched:
                    await self.socket.send_str(text)
            for topic in sorted(awake & self.watched):
                try:
                    await self._send_followed(topic)
                except Exception as error:  # A fault at one run must not end the other topics.
                    if self.socket.closed or isinstance(error, ConnectionError):
                        raise
                    report_fault(error)
                    self.put(topic, "error", _encoded(topic, "error", {"error": str(error)}))

    async def _send_followed(self, name: str) -> None:
        topic = self.live.topics.get(name)
        followed = None if topic is None else topic.followed
        if followed is None:
            return
        if name in self.have:
            had = self.have[name]
            part = await followed.rows(*had)
            if self.have.get(name) != had:  # The tab said something else meanwhile.
                self.wake(name)
            elif part is not None:
                data, next_row, version = part
                self.have[name] = next_row, version
                await self.socket.send_bytes(data)
                self.wake(name)  # There may be more than one message holds.
        following = self.follow.get(name)
        if following is not None:
            lines, state = await followed.lines(following, self.lines_at.get(name))
            if self.follow.get(name) is not following:  # It was replaced meanwhile.
                return
            self.lines_at[name] = state
            if lines:
                await self.socket.send_str(_encoded(name, "lines", {"lines": lines}))
                self.wake(name)


class Live:
    """Sources by the beginnings of their topics, and the topics that somebody watches."""

    def __init__(self) -> None:
        self.topics: dict[str, Topic] = {}
        self._sources: dict[str, Source] = {}
        self._tabs: set[Tab] = set()

    def register(self, name: str, source: Source) -> None:
        """Let ``source`` feed the topic ``name``; with ``/`` at its end, all topics below it."""
        self._sources[name] = source

    def publish(self, topic: str, kind: str, data: Any, *, stays: bool = False) -> None:
        """Send a message to all tabs that watch a topic, if any does; call it on the loop."""
        watched = self.topics.get(topic)
        if watched is not None:
            watched.publish(kind, data, stays=stays)

    @property
    def tab_count(self) -> int:
        """The number of open tabs."""
        return len(self._tabs)

    def _source_of(self, name: str) -> Source | None:
        head, slash, rest = name.partition("/")
        return self._sources.get(f"{head}/" if slash and rest else name)

    def watch(self, tab: Tab, names: set[str]) -> None:
        """Have a tab watch exactly these topics."""
        for name in tab.watched - names:
            self._leave(tab, name)
        for name in names - tab.watched:
            if (source := self._source_of(name)) is not None:
                tab.watched.add(name)
                self._enter(tab, name, source)

    def _enter(self, tab: Tab, name: str, source: Source) -> None:
        topic = self.topics.get(name)
        if topic is None:
            topic = self.topics[name] = Topic(name)
        if topic.ending is not None:
            topic.ending.cancel()
            topic.ending = None
        topic.join(tab)
        if topic.task is None or topic.task.done():
            topic.task = asyncio.get_running_loop().create_task(_fed(topic, source))

    def _leave(self, tab: Tab, name: str) -> None:
        tab.watched.discard(name)
        for positions in (tab.have, tab.follow, tab.lines_at):
            positions.pop(name, None)
        topic = self.topics.get(name)
        if topic is None:
            return
        topic.tabs.discard(tab)
        if not topic.tabs and topic.ending is None:
            loop = asyncio.get_running_loop()
            topic.ending = loop.call_later(GRACE_S, self._end, topic)

    def _end(self, topic: Topic) -> None:
        if topic.tabs:
            return
        self.topics.pop(topic.name, None)
        if topic.task is not None:
            topic.task.cancel()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one tab until it goes."""
        if len(self._tabs) >= MOST_TABS:
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse(
            heartbeat=_HEARTBEAT_S, max_msg_size=MESSAGE_BYTES, compress=False, timeout=_CLOSE_S
        )
        await socket.prepare(request)
        tab = Tab(socket, request.transport, self)
        self._tabs.add(tab)
        tab.put("", "hello", _encoded("", "hello", {"version": __version__}))
        sender = asyncio.get_running_loop().create_task(_sent(tab))
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT or not self._heard(tab, message.data):
                    await socket.close(code=WSCloseCode.POLICY_VIOLATION)
        finally:
            self._tabs.discard(tab)
            sender.cancel()
            self.watch(tab, set())
            with contextlib.suppress(asyncio.CancelledError):
                await sender
            if socket.close_code == WSCloseCode.ABNORMAL_CLOSURE:
                tab.abort()
        return socket

    def _heard(self, tab: Tab, text: str) -> bool:
        """Do as a tab says; return False for no valid message."""
        try:
            asked = LiveRequest.model_validate_json(text)
        except ValidationError:
            return False
        if asked.watch is not None:
            self.watch(tab, set(asked.watch))
        for name, row in (asked.have or {}).items():
            if name in tab.watched:
                tab.have[name] = row, _NO_VERSION
                tab.wake(name)
        for name, following in (asked.follow or {}).items():
            if name in tab.watched:
                tab.lines_at.pop(name, None)
                tab.follow.pop(name, None)
                if following is not None:
                    tab.follow[name] = following
                    tab.wake(name)
        return True

    async def close(self) -> None:
        """End all tabs and sources."""
        await asyncio.gather(*(tab.end() for tab in self._tabs), return_exceptions=True)
        tasks = [topic.task for topic in self.topics.values() if topic.task is not None]
        for topic in self.topics.values():
            if topic.ending is not None:
                topic.ending.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.topics.clear()


async def _fed(topic: Topic, source: Source) -> None:
    """Feed a topic; a source with a fault begins anew, after longer and longer pauses."""
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            await source(topic)
        except Exception as error:
            report_fault(error)
            topic.publish("error", {"error": f"{type(error).__name__}: {error}"})
        else:
            return
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


async def _sent(tab: Tab) -> None:
    try:
        await tab.send_on()
    except Exception as error:
        if tab.socket.closed or isinstance(error, (ConnectionError, RuntimeError)):
            return  # The tab is gone, and its reader ends by itself.
        report_fault(error)
        await tab.socket.close(code=WSCloseCode.INTERNAL_ERROR)


def _encoded(topic: str, kind: str, data: Any) -> str:
    text = json_text({"topic": topic, "kind": kind, "data": data}, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace").decode()
