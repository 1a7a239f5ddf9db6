"""Large bodies, moved by the kernel between sockets and files in worker threads.

A job works on its own copy of the socket's descriptor and never waits long: when the client is slow it
gives its thread back and goes on once the socket is ready, so slow clients hold memory of a few hundred
bytes and no thread. The interpreter's lock is free during every call that moves bytes.
"""

from __future__ import annotations

import asyncio
import os
import select
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Protocol

from runtime.errors import InputOutputError
from services.storage_router.api.data_port.connection import ClientGone, Connection
from services.storage_router.domain.drivers import error_of

#: How long a job waits in its thread for a client before it gives the thread back.
PATIENCE_MS = 100
#: The buffer each thread keeps for receiving.
BUFFER_BYTES = 1 << 20
#: Longest run of one sendfile call; the kernel's own limit is a page below 2 GiB.
_SEND_BYTES = 1 << 30

_ZEROS = memoryview(bytes(1 << 18))
_thread = threading.local()


class Part(Protocol):
    """Some bytes to be sent."""

    @property
    def left_bytes(self) -> int:
        """How many are not sent yet."""
        ...

    def send(self, descriptor: int) -> bool:
        """Sends some; true when none is left. BlockingIOError when the socket is full."""
        ...


class BytesPart:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._view = memoryview(data)

    @property
    def left_bytes(self) -> int:
        return len(self._view)

    def send(self, descriptor: int) -> bool:
        self._view = self._view[os.write(descriptor, self._view) :]
        return not self._view


class ZerosPart:
    """A hole."""

    def __init__(self, length: int) -> None:
        self.left_bytes = length

    def send(self, descriptor: int) -> bool:
        self.left_bytes -= os.write(descriptor, _ZEROS[: min(self.left_bytes, len(_ZEROS))])
        return not self.left_bytes


class FilePart:
    """A run of a file."""

    def __init__(self, file: int, offset: int, length: int) -> None:
        self._file = file
        self._offset = offset
        self.left_bytes = length

    def send(self, descriptor: int) -> bool:
        sent = os.sendfile(descriptor, self._file, self._offset, min(self.left_bytes, _SEND_BYTES))
        if not sent:
            # The head has promised these bytes: only breaking off tells the client that they are missing.
            raise InputOutputError("the storage file became shorter while it was sent")
        self._offset += sent
        self.left_bytes -= sent
        return not self.left_bytes


class SendJob:
    """Sends parts one after another."""

    wait_for = select.POLLOUT

    def __init__(self, descriptor: int, parts: Iterable[Part]) -> None:
        self.descriptor = descriptor
        self.stopped = False
        self._parts = deque(parts)

    def run(self) -> bool:
        """Goes on until all is sent (true) or the client takes nothing for a while (false)."""
        while self._parts and not self.stopped:
            try:
                if self._parts[0].send(self.descriptor):
                    self._parts.popleft()
            except BlockingIOError:
                if not _ready(self.descriptor, self.wait_for):
                    return False
            except (ConnectionError, TimeoutError) as error:
                raise ClientGone from error
        if self.stopped:
            raise ClientGone
        return True


class ReceiveJob:
    """Writes `first` to a file at `offset`, then exactly `length` bytes from the socket."""

    wait_for = select.POLLIN

    def __init__(
        self, descriptor: int, file: int, offset: int, length: int, first: bytes | bytearray = b""
    ) -> None:
        self.descriptor = descriptor
        self.stopped = False
        self._file = file
        self._offset = offset
        self._first = first
        self.left = length

    def run(self) -> bool:
        """Goes on until all is written (true) or nothing comes for a while (false). OSError of the file."""
        if self._first:
            self._write(memoryview(self._first))
            self._first = b""
        buffer = _buffer()
        filled = 0
        while self.left and not self.stopped:
            count = self._receive(buffer[filled : min(BUFFER_BYTES, filled + self.left)])
            if count is None:
                self._write(buffer[:filled])
                return False
            filled += count
            self.left -= count
            if filled == BUFFER_BYTES or not self.left:
                self._write(buffer[:filled])
                filled = 0
        if self.stopped:
            raise ClientGone
        return True

    def _receive(self, target: memoryview) -> int | None:
        while True:
            try:
                count = os.readv(self.descriptor, [target])
            except BlockingIOError:
                if not _ready(self.descriptor, self.wait_for):
                    return None
            except (ConnectionError, TimeoutError) as error:
                raise ClientGone from error
            else:
                if not count:
                    raise ClientGone
                return count

    def _write(self, data: memoryview) -> None:
        while data:
            written = os.pwrite(self._file, data, self._offset)
            self._offset += written
            data = data[written:]


def _buffer() -> memoryview:
    if not hasattr(_thread, "buffer"):
        _thread.buffer = memoryview(bytearray(BUFFER_BYTES))
    found: memoryview = _thread.buffer
    return found


def _ready(descriptor: int, events: int) -> bool:
    poller = select.poll()
    poller.register(descriptor, events)
    return bool(poller.poll(PATIENCE_MS))


class Transfers:
    """Runs jobs: at most as many at a time as `pool` has threads."""

    def __init__(self, pool: Executor, *, stall_timeout_s: float) -> None:
        self._pool = pool
        self._stall_timeout_s = stall_timeout_s
        self._jobs: set[SendJob | ReceiveJob] = set()

    async def send(self, connection: Connection, parts: Iterable[Part]) -> None:
        """Sends parts to the client. ClientGone, InputOutputError."""
        connection.pause_reading()
        await connection.flushed()
        descriptor = connection.borrow_descriptor()
        connection.gather(on=True)
        try:
            await self._run(SendJob(descriptor, parts))
        finally:
            os.close(descriptor)
            connection.gather(on=False)

    async def receive(
        self,
        connection: Connection,
        file: int,
        offset: int,
        *,
        first: bytes | bytearray,
        length: int,
        took: Callable[[int], None],
    ) -> None:
        """Writes `first`, then `length` bytes that nobody has read yet. ClientGone; errors of the file.

        `took` is told how many were read from the client, however it ends.
        """
        connection.pause_reading()
        descriptor = connection.borrow_descriptor()
        job = ReceiveJob(descriptor, file, offset, length, first)
        try:
            await self._run(job)
        except OSError as error:
            raise error_of(error) from error
        finally:
            os.close(descriptor)
            took(length - job.left)

    async def _run(self, job: SendJob | ReceiveJob) -> None:
        self._jobs.add(job)
        loop = asyncio.get_running_loop()
        try:
            while not await _to_its_end(job, loop.run_in_executor(self._pool, job.run)):
                await self._until_ready(loop, job)
        finally:
            self._jobs.discard(job)

    async def _until_ready(self, loop: asyncio.AbstractEventLoop, job: SendJob | ReceiveJob) -> None:
        ready: asyncio.Future[None] = loop.create_future()
        add, remove = _watchers(loop, job)
        add(job.descriptor, _settle, ready)
        try:
            await asyncio.wait_for(ready, self._stall_timeout_s)
        except TimeoutError:
            raise ClientGone from None
        finally:
            remove(job.descriptor)

    def stop(self) -> None:
        """Makes all jobs end soon, as if their clients had gone."""
        for job in self._jobs:
            job.stopped = True


async def _to_its_end(job: SendJob | ReceiveJob, future: asyncio.Future[bool]) -> bool:
    # The descriptors the job uses are closed next: it must have ended, cancelled or not.
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        job.stopped = True
        await asyncio.wait([future])
        raise


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _watchers(
    loop: asyncio.AbstractEventLoop, job: SendJob | ReceiveJob
) -> tuple[Callable[..., object], Callable[[int], object]]:
    if job.wait_for == select.POLLOUT:
        return loop.add_writer, loop.remove_writer
    return loop.add_reader, loop.remove_reader
