"""What is known about the request under way: its id and its deadline, for whatever it causes."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from contextvars import ContextVar

_request_id: ContextVar[str] = ContextVar("request_id", default="")
_deadline_s: ContextVar[float | None] = ContextVar("deadline_s", default=None)


def new_request_id() -> str:
    """A fresh id for work that no request caused."""
    return uuid.uuid4().hex


def request_id() -> str:
    """Id of the request under way; empty outside of one."""
    return _request_id.get()


def deadline_s() -> float | None:
    """When the request under way gives up, by the monotonic clock; None for never."""
    return _deadline_s.get()


def remaining_s(default: float) -> float:
    """Seconds left, at most `default`, never below 0."""
    deadline = _deadline_s.get()
    if deadline is None:
        return default
    return max(0.0, min(default, deadline - time.monotonic()))


@contextlib.contextmanager
def bind(*, request_id: str = "", timeout_s: float | None = None) -> Iterator[None]:
    """Inside, this is the request under way. An earlier deadline further out stays in force."""
    id_token = _request_id.set(request_id or _request_id.get() or new_request_id())
    deadline = _deadline_s.get()
    if timeout_s is not None:
        mine = time.monotonic() + timeout_s
        deadline = mine if deadline is None else min(deadline, mine)
    deadline_token = _deadline_s.set(deadline)
    try:
        yield
    finally:
        _deadline_s.reset(deadline_token)
        _request_id.reset(id_token)
