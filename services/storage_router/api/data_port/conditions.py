"""Conditional requests: whether a client has the content already, and whether a part fits to what it has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from wsgiref.handlers import format_date_time

from services.storage_router.api.data_port import replies
from services.storage_router.api.data_port.exchange import Exchange
from services.storage_router.api.data_port.replies import Headers
from services.storage_router.domain.contents import Located

#: A time names one state of the content only when nothing can change within the same second any more.
STRONG_AFTER_S = 2


@dataclass(slots=True)
class Validators:
    """What tells states of content apart: an entity tag, empty for what was never written, and a time."""

    tag: bytes
    modified_s: int

    @property
    def headers(self) -> Headers:
        """As they are told."""
        headers: Headers = []
        if self.tag:
            headers.append((b"etag", self.tag))
        if self.modified_s:
            headers.append((b"last-modified", _http_date(self.modified_s)))
        return headers

    def is_known(self, exchange: Exchange) -> bool:
        """Whether the client has this state: `If-None-Match`, else `If-Modified-Since`."""
        names = exchange.header(b"if-none-match")
        if names is not None:
            known = (name.strip().removeprefix(b"W/") for name in names.split(b","))
            return bool(self.tag) and any(name in (self.tag, b"*") for name in known)
        since_s = _seconds(exchange.header(b"if-modified-since"))
        return since_s is not None and 0 < self.modified_s <= since_s

    def allow_range(self, exchange: Exchange, now_s: float) -> bool:
        """Whether what `If-Range` names is this very state, so that a part of it fits to the others."""
        condition = exchange.header(b"if-range")
        if condition is None:
            return True
        condition = condition.strip()
        if b'"' in condition:
            return condition == self.tag
        is_strong = now_s - self.modified_s >= STRONG_AFTER_S
        return is_strong and _seconds(condition) == self.modified_s


def validators_of(located: Located) -> Validators:
    """Those of a file's content."""
    location = located.location
    tag = replies.etag(location.storage_file_id, location.revision) if location.revision else b""
    return Validators(tag, located.file.mtime_ms // 1000)


@lru_cache(maxsize=1024)
def _http_date(seconds: int) -> bytes:
    return format_date_time(seconds).encode()


def _seconds(date: bytes | None) -> int | None:
    """A date of HTTP in seconds since the epoch; None for what is none, which is then ignored."""
    if date is None:
        return None
    try:
        found = parsedate_to_datetime(date.decode("latin-1"))
    except ValueError:
        return None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return round((found - datetime.fromtimestamp(0, UTC)).total_seconds())
