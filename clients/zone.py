"""Whose token is this: the zone's verdicts, kept for a short while by each service that meets users.

While the zone tells what changes in it, a verdict is believed for `WATCHED_S`, and dropped the moment that
something it rests on changes. Else it is believed for `token_cache_s`, so in any case a revoked token ends
within that time. While the zone is away a verdict is used for `zone_away_s` since the zone last confirmed
it, but never past the token's end, and never when something it rests on is known to have changed.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from contextvars import Context
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import NoReturn

import grpc.aio
import structlog
from isthmus.zone.v1 import tokens_pb2

from clients.zone_changes import ZoneWatch
from clients.zone_client import ProviderCredentials, UnregisteredOneprovider, ZoneClient
from runtime.auth import ClusterKey, from_proto
from runtime.clock import Clock, SystemClock
from runtime.errors import IsthmusError, PermissionDenied, Unauthenticated, Unavailable, rebuild
from runtime.identity import GUEST, Identity, Kind
from runtime.leadership import Leadership
from runtime.macaroons import deserialize
from runtime.periodic import Periodic

__all__ = [
    "NoConnectionToOnezone",
    "ProviderCredentials",
    "TokenAuthenticator",
    "UnregisteredOneprovider",
    "UserNotSupported",
    "ZoneClient",
    "ZoneReporter",
]

log = structlog.get_logger(__name__)

#: How long a signed identity is believed inside the provider: long enough for a slow upload.
IDENTITY_LIFE_S = 3600.0

#: How long a verdict is believed of which a change would have been heard.
WATCHED_S = 60.0

_MAX_ENTRIES = 5000
_MAX_ASKING = 64
_REFUSED_FOR_S = 1.0
_RETRY_AFTER_S = 0.5
#: How long a request with a verdict that is no longer fresh waits for a zone that does not answer.
_STALE_WAIT_S = 0.5
_ADDRESS_CAVEATS = ("ip ", "asn ", "geo.")


class NoConnectionToOnezone(Unavailable):
    """The zone cannot be asked about this token now."""

    reason = "NO_CONNECTION_TO_ONEZONE"


class UserNotSupported(Unauthenticated):
    """The user has no space that this provider supports."""

    reason = "USER_NOT_SUPPORTED"


class _TokenExpired(Unauthenticated):
    """The time caveat of the token has passed."""

    reason = "TOKEN_CAVEAT_UNVERIFIED"


@dataclass(frozen=True, slots=True)
class _Verdict:
    """A token the zone found good. `expires_at_ms`: end of the token, 0 for never.

    `rests_on`: what the zone will name when it changes.
    """

    identity: Identity
    rests_on: frozenset[str]
    blob: bytes
    answer: bytes
    expires_at_ms: int
    supported: bool


@dataclass(slots=True)
class _Entry:
    """What is known about one token. Times are those of the monotonic clock."""

    verdict: _Verdict | None = None
    refusal: IsthmusError | None = None
    failure: IsthmusError | None = None
    checked_at: float = 0.0
    #: Era of the watch since which no change can have been missed; None for not watched.
    watched_in: int | None = None
    failed_at: float = 0.0
    asking: asyncio.Task[None] | None = None


class TokenAuthenticator:
    """Turns access tokens into signed identities, asking the zone as seldom as it may."""

    def __init__(
        self,
        zone_channel: grpc.aio.Channel,
        provider: ProviderCredentials,
        key: ClusterKey,
        *,
        token_cache_s: float = 2.0,
        zone_away_s: float = 300.0,
        interface: str = "rest",
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._zone = ZoneClient(zone_channel, provider, clock=self._clock)
        self._key = key
        self._fresh_s = token_cache_s
        self._away_s = zone_away_s
        self._interface = interface
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._by_address: OrderedDict[bytes, bool] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._asking = asyncio.Semaphore(_MAX_ASKING)
        self._zone_away = False
        self._watch = ZoneWatch(
            self._zone,
            on_changes=self._forget,
            on_start_over=self._doubt,
            clock=self._clock,
        )
        self._era = 0
        self._changes_heard = 0
        self._guest: tuple[Identity, bytes] = (GUEST, b"")

    async def start(self) -> None:
        """Begins to hear of changes. The channel belongs to who made it."""
        await self._watch.start()

    async def stop(self) -> None:
        """Ends the calls under way."""
        await self._watch.stop()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def authenticate(
        self, token: str | None, peer_ip: str, consumer_token: str | None = None
    ) -> tuple[Identity, bytes]:
        """The caller and the signed form of it to send along; GUEST for no token.

        Raises Unauthenticated with the reason of the error catalogue (BAD_TOKEN, TOKEN_REVOKED,
        USER_NOT_SUPPORTED, ...), NoConnectionToOnezone for a token that can't be judged now.
        """
        if token is None:
            return self._as_guest()
        entry = self._entry(self._entry_key(token, peer_ip, consumer_token or ""))
        verdict = self._known(entry)
        if verdict is None:
            request = tokens_pb2.VerifyAccessTokenRequest(
                token=token,
                peer_ip=peer_ip,
                interface=self._interface,
                consumer_token=consumer_token or "",
                allow_data_caveats=True,
            )
            verdict = await self._asked(entry, request)
        if not verdict.supported:
            raise UserNotSupported
        return verdict.identity, verdict.blob

    def _as_guest(self) -> tuple[Identity, bytes]:
        now_ms = self._clock.now_ms()
        if self._guest[0].expires_at_ms - now_ms < IDENTITY_LIFE_S * 500:
            guest = replace(GUEST, expires_at_ms=now_ms + int(IDENTITY_LIFE_S * 1000))
            self._guest = (guest, self._key.sign(guest))
        return self._guest

    def _entry_key(self, token: str, peer_ip: str, consumer_token: str) -> bytes:
        """A digest, so that no token lies about in memory; with the address only where that matters."""
        text = f"{token}\0{consumer_token}".encode(errors="surrogatepass")
        key = blake2b(text, digest_size=24).digest()
        by_address = self._by_address.get(key)
        if by_address is None:
            # What is no token at all is refused here, and never troubles the zone.
            caveats = deserialize(token).caveats
            by_address = any(caveat.startswith(_ADDRESS_CAVEATS) for caveat in caveats)
            self._by_address[key] = by_address
            if len(self._by_address) > _MAX_ENTRIES:
                self._by_address.popitem(last=False)
        return key + peer_ip.encode() if by_address else key

    def _entry(self, key: bytes) -> _Entry:
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry()
            if len(self._entries) > _MAX_ENTRIES:
                self._entries.popitem(last=False)
        else:
            self._entries.move_to_end(key)
        return entry

    def _known(self, entry: _Entry) -> _Verdict | None:
        """The verdict while it is fresh; None when the zone has to be asked."""
        age_s = self._clock.monotonic_s() - entry.checked_at
        if entry.refusal is not None and age_s < _REFUSED_FOR_S:
            _raise_again(entry.refusal)
        watched = entry.watched_in == self._era and self._watch.live
        if entry.verdict is None or age_s >= (WATCHED_S if watched else self._fresh_s):
            return None
        self._check_end(entry.verdict)
        return entry.verdict

    async def _asked(self, entry: _Entry, request: tokens_pb2.VerifyAccessTokenRequest) -> _Verdict:
        task = self._ask_once(entry, request)
        if task is not None and not (self._zone_away and self._usable(entry)):
            patience_s = _STALE_WAIT_S if self._usable(entry) else None
            await asyncio.wait({task}, timeout=patience_s)
            if not task.done():
                self._note_zone(away=True)
            elif not task.cancelled():
                task.result()
        if entry.refusal is not None:
            _raise_again(entry.refusal)
        if entry.verdict is not None:
            self._check_end(entry.verdict)
            if self._usable(entry):
                return entry.verdict
        if isinstance(entry.failure, UnregisteredOneprovider):
            raise UnregisteredOneprovider
        raise NoConnectionToOnezone

    def _ask_once(
        self, entry: _Entry, request: tokens_pb2.VerifyAccessTokenRequest
    ) -> asyncio.Task[None] | None:
        """The one call about this token that is under way; None while it is too early for another try."""
        if entry.asking is not None:
            return entry.asking
        if entry.failure is not None and self._clock.monotonic_s() - entry.failed_at < _RETRY_AFTER_S:
            return None
        # A task of its own, outside of any request: a caller that gives up, or has little time left, does not
        # take the answer from the others.
        entry.asking = task = asyncio.create_task(self._ask(entry, request), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _ask(self, entry: _Entry, request: tokens_pb2.VerifyAccessTokenRequest) -> None:
        era, heard = self._era, self._changes_heard
        try:
            async with self._asking:
                answer = await self._zone.verify_access_token(request)
        except (Unauthenticated, PermissionDenied) as error:
            entry.verdict, entry.refusal, entry.failure = None, error, None
            entry.checked_at = self._clock.monotonic_s()
            self._note_zone(away=False)
        except IsthmusError as error:
            entry.failure, entry.failed_at = error, self._clock.monotonic_s()
            self._note_zone(away=True, error=error)
        else:
            entry.verdict, entry.refusal, entry.failure = self._verdict(entry.verdict, answer), None, None
            entry.checked_at = self._clock.monotonic_s()
            # A change heard of meanwhile may be one that the answer does not know yet. And what proves the
            # consumer rests on more than the verdict names.
            in_time = (era, heard) == (self._era, self._changes_heard)
            entry.watched_in = era if in_time and not request.consumer_token else None
            self._note_zone(away=False)
        finally:
            entry.asking = None

    def _verdict(self, last: _Verdict | None, answer: tokens_pb2.VerifyAccessTokenResponse) -> _Verdict:
        now_ms = self._clock.now_ms()
        told = answer.SerializeToString(deterministic=True)
        if last is not None and last.answer == told and self._is_young(last, now_ms):
            return last
        ends_ms = answer.identity.expires_at_ms
        life_end_ms = now_ms + int(IDENTITY_LIFE_S * 1000)
        identity = replace(
            from_proto(answer.identity),
            kind=Kind.USER,
            expires_at_ms=min(ends_ms, life_end_ms) if ends_ms else life_end_ms,
        )
        supported = any(rights.supported for rights in identity.spaces.values())
        return _Verdict(identity, _foundations(identity), self._key.sign(identity), told, ends_ms, supported)

    def _is_young(self, verdict: _Verdict, now_ms: int) -> bool:
        """Whether its signature has more than half a life left, or all the token has."""
        ends_ms = verdict.identity.expires_at_ms
        return ends_ms == verdict.expires_at_ms or ends_ms - now_ms > IDENTITY_LIFE_S * 500

    def _usable(self, entry: _Entry) -> bool:
        return entry.verdict is not None and self._clock.monotonic_s() - entry.checked_at < self._away_s

    def _check_end(self, verdict: _Verdict) -> None:
        if verdict.expires_at_ms and self._clock.now_ms() >= verdict.expires_at_ms:
            caveat = {"type": "time", "validUntil": verdict.expires_at_ms // 1000}
            raise _TokenExpired(caveat=json.dumps(caveat))

    def _forget(self, changed: frozenset[str]) -> None:
        """Something changed: verdicts that rest on it are no more."""
        self._changes_heard += 1
        for entry in self._entries.values():
            if entry.verdict is not None and not entry.verdict.rests_on.isdisjoint(changed):
                entry.verdict, entry.watched_in = None, None

    def _doubt(self) -> None:
        """Changes may have been missed: verdicts are believed no longer than without being told of any."""
        self._era += 1

    def _note_zone(self, *, away: bool, error: IsthmusError | None = None) -> None:
        if away and not self._zone_away:
            log.warning("zone_away", reason=error.reason if error else "")
        elif self._zone_away and not away:
            log.info("zone_back")
        self._zone_away = away


def _foundations(identity: Identity) -> frozenset[str]:
    """As the zone will name them in changes."""
    groups = (f"grp-{group_id}" for group_id in identity.group_ids)
    spaces = (f"spc-{space_id}" for space_id in identity.spaces)
    return frozenset((f"usr-{identity.subject_id}", f"tok-{identity.token_id}", *groups, *spaces))


def _raise_again(error: IsthmusError) -> NoReturn:
    """A copy: one error object raised by many requests would gather all their tracebacks."""
    raise rebuild(type(error), error.reason, error.message, error.facts)


class ZoneReporter:
    """Tells the zone at intervals that this provider is up. One process of a provider needs to."""

    def __init__(
        self, zone: ZoneClient, *, leadership: Leadership | None = None, interval_s: float = 5.0
    ) -> None:
        self._zone = zone
        self._loop = Periodic(
            "zone_reporter", self.run_once, interval_s, leadership=leadership, timeout_s=10.0
        )

    async def start(self) -> None:
        """Begins to report."""
        await self._loop.start()

    async def stop(self) -> None:
        """Stops reporting; the zone will call the provider offline after its own time."""
        await self._loop.stop()

    async def run_once(self) -> int:
        """One report. There is never more to do, so 0."""
        await self._zone.report_status()
        return 0
