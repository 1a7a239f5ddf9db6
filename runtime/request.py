"""What one request carries through this process: its id, its deadline, its caller and its trace.

All of it is one value in one context variable, because setting a variable costs on every call. Interceptors
and HTTP fronts bind it; `runtime.auth` holds what asks for the caller.
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from runtime.identity import Identity


class Call(NamedTuple):
    """The request under way. `deadline_s` is on the monotonic clock; empty strings mean none."""

    request_id: str = ""
    rpc: str = ""
    deadline_s: float | None = None
    identity: Identity | None = None
    identity_blob: bytes = b""
    traceparent: str = ""


NO_CALL = Call()

#: Set by `bind`, `runtime.auth.as_caller` and the interceptors; others ask by the functions below.
current_call: ContextVar[Call] = ContextVar("isthmus_call", default=NO_CALL)


def request_id() -> str:
    """Id of the user's request this work belongs to; empty outside of requests."""
    return current_call.get().request_id


def deadline_s() -> float | None:
    """When the caller stops waiting (monotonic seconds); None when it never does."""
    return current_call.get().deadline_s


def remaining_s(default: float) -> float:
    """Seconds until the deadline, never below zero; `default` when there is no deadline."""
    deadline = current_call.get().deadline_s
    return default if deadline is None else max(0.0, deadline - time.monotonic())


def new_request_id() -> str:
    """For work that begins here: 32 hex digits, a random number of the process and a count.

    Asking the kernel for each would give up the interpreter's lock each time, and wait to get it back.
    """
    return f"{_PROCESS_ID}{next(_counter):016x}"


_PROCESS_ID = secrets.token_hex(8)
_counter = itertools.count(secrets.randbits(32))


@contextmanager
def bind(
    *,
    request_id: str | None = None,
    timeout_s: float | None = None,
    rpc: str | None = None,
    traceparent: str | None = None,
) -> Iterator[None]:
    """What is given holds inside the block; the rest stays. A deadline only ever gets nearer."""
    call = current_call.get()
    deadline = call.deadline_s
    if timeout_s is not None:
        mine = time.monotonic() + timeout_s
        deadline = mine if deadline is None else min(mine, deadline)
    token = current_call.set(
        call._replace(
            request_id=call.request_id if request_id is None else request_id,
            rpc=call.rpc if rpc is None else rpc,
            deadline_s=deadline,
            traceparent=call.traceparent if traceparent is None else traceparent,
        )
    )
    try:
        yield
    finally:
        current_call.reset(token)
