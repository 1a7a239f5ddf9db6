"""What carries the messages of a multiplexed stream, seen so that nothing on it ever waits.

Both ends of the stream are plain functions called with what has come, which saves each message several turns
of the event loop. A socket is like that by nature (`runtime.rpc.lane`); a gRPC stream is made so here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from google.protobuf.message import Message


class Wire(Protocol):
    """One end of a stream. Its user sets `on_message` and `on_writable` before anything can have come."""

    on_message: Callable[[Any], None]
    #: Called when `writable` or `closed` may have become true.
    on_writable: Callable[[], None]
    #: Done when the other end sends no more; fails with what broke the stream, or what `on_message` raised.
    ended: asyncio.Future[None]

    @property
    def writable(self) -> bool:
        """Whether `send` may be called; false while the other end does not take what was sent."""
        ...

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more. An end of what comes alone need not mean that."""
        ...

    def send(self, message: Message) -> None:
        """Sends a message. Returns at once; what goes wrong ends the stream."""
        ...

    def pause(self) -> None:
        """Nothing more comes until `resume`."""
        ...

    def resume(self) -> None:
        """What waited comes, but not before this function has returned."""
        ...

    def abort(self) -> None:
        """Ends the stream at once."""
        ...


class GrpcWire:
    """Reads and writes a gRPC stream (either end's object has the same form) in two tasks of its own."""

    def __init__(self, stream: Any, on_abort: Callable[[], object] = lambda: None) -> None:
        loop = asyncio.get_running_loop()
        self.on_message: Callable[[Any], None] = ignore
        self.on_writable: Callable[[], None] = nothing
        self.ended: asyncio.Future[None] = loop.create_future()
        self._stream = stream
        self._on_abort = on_abort
        self._to_send: Message | None = None
        self._given = asyncio.Event()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._tasks = [loop.create_task(self._read()), loop.create_task(self._write())]
        for task in self._tasks:
            task.add_done_callback(self._task_ended)

    @property
    def writable(self) -> bool:
        """One message is written at a time."""
        return self._to_send is None and not self.closed

    @property
    def closed(self) -> bool:
        """Once the writing task has ended."""
        return self._tasks[1].done()

    def send(self, message: Message) -> None:
        """Hands a message to the writing task."""
        self._to_send = message
        self._given.set()

    def pause(self) -> None:
        """The message being read still comes."""
        self._may_read.clear()

    def resume(self) -> None:
        """Lets the reading task go on."""
        self._may_read.set()

    def abort(self) -> None:
        """Ends both tasks, and on the client's side the call."""
        for task in self._tasks:
            task.cancel()
        self._on_abort()

    async def close(self) -> None:
        """As `abort`; returns when nothing is left."""
        self.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self) -> None:
        while isinstance(message := await self._stream.read(), Message):
            self.on_message(message)
            await self._may_read.wait()

    async def _write(self) -> None:
        while True:
            await self._given.wait()
            self._given.clear()
            await self._stream.write(self._to_send)
            self._to_send = None
            self.on_writable()

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        settle(self.ended, None if task.cancelled() else task.exception())
        self.on_writable()


def settle(ended: asyncio.Future[None], error: BaseException | None) -> None:
    """Settles the `ended` of a wire, for the first reason given."""
    if ended.done():
        return
    if error is None:
        ended.set_result(None)
    else:
        ended.set_exception(error)
        ended.exception()  # seen: who aborted the wire does not ask any more


def ignore(_: Any) -> None:
    """Takes messages before anybody has said who does."""


def nothing() -> None:
    """Is told of what may be written before anybody has said who writes."""
