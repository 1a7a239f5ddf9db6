"""What a service believes about tokens, for how long, and what it does without the zone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from isthmus.common.v1 import identity_pb2
from isthmus.zone.v1 import changes_pb2, tokens_pb2

from clients.zone import (
    NoConnectionToOnezone,
    ProviderCredentials,
    TokenAuthenticator,
    UnregisteredOneprovider,
    UserNotSupported,
)
from runtime.auth import ClusterKey
from runtime.clock import ManualClock
from runtime.config import ProviderFile
from runtime.errors import IsthmusError, Unauthenticated, Unavailable
from runtime.identity import Kind
from runtime.macaroons import BadToken, Macaroon, deserialize, serialize

IP = "192.0.2.1"


def _token(*caveats: str) -> str:
    made = Macaroon.create("zone.example.org", "2/nmd/usr-u1/act/t1", "secret")
    return serialize(made.confined(*caveats))


def _answer(*, supported: bool = True, expires_at_ms: int = 0) -> tokens_pb2.VerifyAccessTokenResponse:
    rights = identity_pb2.SpaceRights(name="space 1", privileges=14, supported=supported)
    identity = identity_pb2.Identity(
        kind=identity_pb2.Identity.KIND_USER,
        subject_id="u1",
        spaces={"s1": rights},
        group_ids=["g1"],
        expires_at_ms=expires_at_ms,
        token_id="t1",
    )
    return tokens_pb2.VerifyAccessTokenResponse(identity=identity)


class Revoked(Unauthenticated):
    """As the zone tells it."""

    reason = "TOKEN_REVOKED"


class ZoneTwin:
    """Stands in for the channel: answers what it is told to, and counts."""

    def __init__(self) -> None:
        self.outcome: Any = _answer()
        self.open = asyncio.Event()
        self.open.set()
        self.changes: asyncio.Queue[changes_pb2.WatchChangesResponse | None] = asyncio.Queue()
        self.places: list[str] = []
        self.requests: list[tokens_pb2.VerifyAccessTokenRequest] = []
        self.metadata: list[Any] = []

    def stream_stream(self, _method: str, *_args: Any, **_kwargs: Any) -> Callable[..., Any]:
        """What a service is told of its supports: nothing of it is asked here."""
        return self.unary_stream(_method)

    def unary_stream(self, _method: str, *_args: Any, **_kwargs: Any) -> Callable[..., Any]:
        async def call(request: Any, *, metadata: Any) -> AsyncIterator[Any]:
            self.places.append(request.after)
            while (told := await self.changes.get()) is not None:
                yield told
            raise Unavailable

        return call

    def unary_unary(self, _method: str, *_args: Any, **_kwargs: Any) -> Callable[..., Any]:
        async def call(request: Any, *, metadata: Any, timeout: float) -> Any:
            self.requests.append(request)
            self.metadata.append(metadata)
            await asyncio.wait_for(self.open.wait(), timeout)
            if isinstance(self.outcome, IsthmusError):
                raise self.outcome
            return self.outcome

        return call


class Bench:
    """An authenticator with all around it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.zone = ZoneTwin()
        self.key = ClusterKey(bytes(32))
        self.root = _token()
        provider = ProviderFile(provider_id="p1", root_token=self.root, name="p", domain="d", zone_domain="z")
        channel: Any = self.zone
        self.authenticator = TokenAuthenticator(
            channel, ProviderCredentials(provider), self.key, clock=self.clock
        )

    async def hear(self, *changed: str, place: str = "p1", start_over: bool = False) -> None:
        """The zone tells of changes, and they have been acted on."""
        told = changes_pb2.WatchChangesResponse(place=place, changed=changed, start_over=start_over)
        self.zone.changes.put_nowait(told)
        await asyncio.sleep(0.01)

    async def watched(self) -> None:
        """From now on the zone tells of changes."""
        await self.authenticator.start()
        await self.hear(start_over=True)

    async def ask(self, token: str | None = None, ip: str = IP) -> Any:
        return await self.authenticator.authenticate(_token("x = 1") if token is None else token, ip)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.authenticator.stop()


async def test_no_token_makes_a_signed_guest(bench: Bench) -> None:
    identity, blob = await bench.authenticator.authenticate(None, IP)
    assert identity.kind is Kind.GUEST
    assert bench.key.verify(blob, bench.clock.now_ms()) == identity
    assert bench.zone.requests == []


async def test_verdict_becomes_a_signed_identity(bench: Bench) -> None:
    identity, blob = await bench.ask()
    assert (identity.kind, identity.subject_id, identity.token_id) == (Kind.USER, "u1", "t1")
    assert bench.key.verify(blob, bench.clock.now_ms()) == identity
    assert identity.expires_at_ms > bench.clock.now_ms()
    (request,) = bench.zone.requests
    assert (request.peer_ip, request.interface, request.allow_data_caveats) == (IP, "rest", True)


async def test_provider_shows_a_confined_token(bench: Bench) -> None:
    await bench.ask()
    ((name, value),) = bench.zone.metadata[0]
    sent = deserialize(value.removeprefix("Bearer "))
    assert name == "authorization"
    assert sent.signed_with("secret")
    assert sent.caveats == (f"time < {bench.clock.now_ms() // 1000 + 600}",)
    assert bench.root not in value


async def test_fresh_verdict_is_not_asked_again(bench: Bench) -> None:
    first = await bench.ask()
    bench.clock.advance(1.9)
    assert await bench.ask() == first
    bench.clock.advance(0.2)
    assert await bench.ask() == first
    assert len(bench.zone.requests) == 2


async def test_concurrent_asks_share_one_call(bench: Bench) -> None:
    bench.zone.open.clear()
    asking = [asyncio.create_task(bench.ask()) for _ in range(20)]
    await asyncio.sleep(0.01)
    asking[0].cancel()
    bench.zone.open.set()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert len(bench.zone.requests) == 1
    assert sum(isinstance(each, asyncio.CancelledError) for each in results) == 1


async def test_revoked_token_ends_with_its_fresh_time(bench: Bench) -> None:
    await bench.ask()
    bench.zone.outcome = Revoked()
    bench.clock.advance(2.1)
    with pytest.raises(Unauthenticated) as caught:
        await bench.ask()
    assert caught.value.reason == "TOKEN_REVOKED"


async def test_refusal_is_remembered_shortly(bench: Bench) -> None:
    bench.zone.outcome = Revoked()
    for _ in range(3):
        with pytest.raises(Unauthenticated, match="As the zone tells it"):
            await bench.ask()
    assert len(bench.zone.requests) == 1
    bench.zone.outcome = _answer()
    bench.clock.advance(1.1)
    identity, _ = await bench.ask()
    assert identity.subject_id == "u1"


@pytest.mark.parametrize("text", ["", "nonsense", "a b", "\udcff"])
async def test_no_token_at_all_never_reaches_the_zone(bench: Bench, text: str) -> None:
    with pytest.raises(BadToken):
        await bench.ask(text)
    assert bench.zone.requests == []


async def test_user_without_supported_space_is_refused(bench: Bench) -> None:
    bench.zone.outcome = _answer(supported=False)
    with pytest.raises(UserNotSupported):
        await bench.ask()


async def test_known_token_works_while_the_zone_is_away(bench: Bench) -> None:
    known = await bench.ask()
    bench.zone.outcome = Unavailable()
    bench.clock.advance(299)
    assert await bench.ask() == known
    bench.clock.advance(2)
    with pytest.raises(NoConnectionToOnezone):
        await bench.ask()


async def test_unknown_token_fails_while_the_zone_is_away(bench: Bench) -> None:
    bench.zone.outcome = Unavailable()
    for _ in range(3):
        with pytest.raises(NoConnectionToOnezone):
            await bench.ask()
    assert len(bench.zone.requests) == 1
    bench.zone.outcome = _answer()
    bench.clock.advance(0.6)
    assert (await bench.ask())[0].subject_id == "u1"


async def test_silent_zone_keeps_known_tokens_waiting_once(bench: Bench) -> None:
    await bench.ask()
    bench.zone.open.clear()
    bench.clock.advance(3)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await bench.ask()
    assert 0.4 < loop.time() - began_s < 1.5
    began_s = loop.time()
    for _ in range(10):
        await bench.ask()
    assert loop.time() - began_s < 0.2


async def test_verdict_is_never_used_past_the_tokens_end(bench: Bench) -> None:
    ends_ms = bench.clock.now_ms() + 60_000
    bench.zone.outcome = _answer(expires_at_ms=ends_ms)
    identity, _ = await bench.ask()
    assert identity.expires_at_ms == ends_ms
    bench.zone.outcome = Unavailable()
    bench.clock.advance(61)
    with pytest.raises(Unauthenticated) as caught:
        await bench.ask()
    assert caught.value.reason == "TOKEN_CAVEAT_UNVERIFIED"
    assert caught.value.facts["caveat"] == f'{{"type": "time", "validUntil": {ends_ms // 1000}}}'


async def test_address_counts_only_where_the_token_says_so(bench: Bench) -> None:
    await bench.ask(ip="192.0.2.1")
    await bench.ask(ip="192.0.2.2")
    assert len(bench.zone.requests) == 1
    bound = _token("ip = 192.0.2.0/24")
    await bench.ask(bound, ip="192.0.2.1")
    await bench.ask(bound, ip="192.0.2.2")
    assert len(bench.zone.requests) == 3


async def test_unaccepted_provider_is_no_fault_of_the_user(bench: Bench) -> None:
    bench.zone.outcome = Unauthenticated(about="provider")
    with pytest.raises(UnregisteredOneprovider):
        await bench.ask()


async def test_what_is_remembered_is_bounded(bench: Bench) -> None:
    for number in range(5100):
        await bench.ask(_token(f"n = {number}"))
    assert len(bench.authenticator._entries) == 5000
    assert len(bench.authenticator._by_address) == 5000


async def test_identity_is_signed_anew_before_it_ends(bench: Bench) -> None:
    _, first = await bench.ask()
    bench.clock.advance(1500)
    _, second = await bench.ask()
    bench.clock.advance(600)
    identity, third = await bench.ask()
    assert first == second != third
    assert identity.expires_at_ms - bench.clock.now_ms() == 3_600_000


async def test_watched_verdict_is_believed_longer(bench: Bench) -> None:
    await bench.watched()
    await bench.ask()
    for _ in range(5):
        bench.clock.advance(10)
        await bench.hear()
        await bench.ask()
    assert len(bench.zone.requests) == 1
    bench.clock.advance(11)
    await bench.hear()
    await bench.ask()
    assert len(bench.zone.requests) == 2


@pytest.mark.parametrize("changed", ["usr-u1", "tok-t1", "grp-g1", "spc-s1"])
async def test_change_ends_what_rests_on_it(bench: Bench, changed: str) -> None:
    await bench.watched()
    await bench.ask()
    await bench.hear("usr-u2", "grp-g2", "spc-s2", "tok-t2")
    await bench.ask()
    assert len(bench.zone.requests) == 1
    await bench.hear(changed)
    bench.zone.outcome = Revoked()
    with pytest.raises(Unauthenticated):
        await bench.ask()


async def test_silent_watch_is_not_trusted(bench: Bench) -> None:
    await bench.watched()
    await bench.ask()
    bench.clock.advance(2.1)
    await bench.ask()
    assert len(bench.zone.requests) == 2


async def test_starting_over_ends_all_trust(bench: Bench) -> None:
    await bench.watched()
    await bench.ask()
    bench.clock.advance(2.1)
    await bench.hear(start_over=True)
    await bench.ask()
    assert len(bench.zone.requests) == 2


async def test_broken_watch_goes_on_where_it_was(bench: Bench) -> None:
    await bench.watched()
    await bench.hear("usr-u2", place="p7")
    bench.zone.changes.put_nowait(None)
    async with asyncio.timeout(5):
        while len(bench.zone.places) < 2:
            await asyncio.sleep(0.02)
    assert bench.zone.places == ["", "p7"]


async def test_answer_that_a_change_overtook_is_not_watched(bench: Bench) -> None:
    await bench.watched()
    bench.zone.open.clear()
    asking = asyncio.create_task(bench.ask())
    await asyncio.sleep(0.01)
    await bench.hear("usr-u1")
    bench.zone.open.set()
    await asking
    bench.clock.advance(2.1)
    await bench.hear()
    await bench.ask()
    assert len(bench.zone.requests) == 2


async def test_what_is_known_to_have_changed_is_not_served_without_the_zone(bench: Bench) -> None:
    await bench.watched()
    await bench.ask()
    await bench.hear("usr-u1")
    bench.zone.outcome = Unavailable()
    with pytest.raises(NoConnectionToOnezone):
        await bench.ask()
