"""What tokens reach, kept for as long as nothing changed that it rests on.

File clients ask at every turn, and a user of many groups and spaces costs several round trips. A kept answer
is dropped when the zone hears that something changed, which takes some hundredths of a second; while it hears
nothing at all, nothing kept is used.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

from runtime.clock import Clock
from services.zone import metrics
from services.zone.domain.caveats import BY_ADDRESS
from services.zone.domain.changes import ChangeFeed
from services.zone.domain.entities import Provider
from services.zone.domain.identifiers import Subject, Token
from services.zone.domain.scope import Scope, Scopes
from services.zone.domain.stores import ProviderStore

MAX_KEPT = 20_000
#: Longest to keep an answer, whatever is heard.
KEEP_S = 60.0
#: How old may be what is told of providers, above all whether they are online.
PROVIDERS_KEEP_S = 1.0


class KnownScopes:
    """Answers as `Scopes.infer` does."""

    def __init__(self, scopes: Scopes, providers: ProviderStore, feed: ChangeFeed, clock: Clock) -> None:
        self._scopes = scopes
        self._store = providers
        self._providers: dict[str, Provider] = {}
        self._providers_until_s = 0.0
        self._feed = feed
        self._clock = clock
        self._kept: OrderedDict[bytes, tuple[Scope, float]] = OrderedDict()
        self._heard = 0
        feed.listen(self._forget)

    async def infer(self, token: Token, *, consumer: Subject | None, peer_ip: str | None) -> Scope:
        """The scope of an access token. `consumer` None: used by its own subject."""
        by_address = any(caveat.startswith(BY_ADDRESS) for caveat in token.macaroon.caveats)
        if consumer is not None or by_address:
            return await self._scopes.infer(token, consumer=consumer, peer_ip=peer_ip)
        key = _key(token)
        scope = self._find(key)
        metrics.SCOPES.labels("no" if scope is None else "yes").inc()
        if scope is None:
            heard = self._heard
            scope = await self._scopes.infer(token, consumer=consumer, peer_ip=peer_ip)
            # A change heard of meanwhile may be one that this answer does not know yet.
            if heard == self._heard and self._feed.is_heard:
                self._keep(key, scope)
        return scope

    async def providers(self, scope: Scope) -> list[Provider]:
        """The providers of a scope, as they were a second ago at most.

        One that was just deleted is in no answer, so no client can stumble over it.
        """
        if self._clock.monotonic_s() >= self._providers_until_s:
            self._providers.clear()
            self._providers_until_s = self._clock.monotonic_s() + PROVIDERS_KEEP_S
        unknown = scope.provider_ids - self._providers.keys()
        if unknown:
            self._providers.update((each.id, each) for each in await self._store.find_many(unknown))
        return [self._providers[each] for each in sorted(scope.provider_ids) if each in self._providers]

    def _find(self, key: bytes) -> Scope | None:
        scope, until_s = self._kept.get(key, (None, 0.0))
        if scope is None or not self._feed.is_heard:
            return None
        ended = scope.valid_until_s is not None and self._clock.now_ms() >= scope.valid_until_s * 1000
        if ended or self._clock.monotonic_s() >= until_s:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return scope

    def _keep(self, key: bytes, scope: Scope) -> None:
        self._kept[key] = (scope, self._clock.monotonic_s() + KEEP_S)
        self._kept.move_to_end(key)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    def _forget(self, changed: frozenset[str] | None) -> None:
        self._heard += 1
        if changed is None:
            self._kept.clear()
            return
        hit = [key for key, (scope, _) in self._kept.items() if not scope.rests_on.isdisjoint(changed)]
        for key in hit:
            del self._kept[key]


def _key(token: Token) -> bytes:
    """A digest of all that was shown, so that no token lies about in memory."""
    macaroon = token.macaroon
    text = "\0".join((macaroon.location, macaroon.identifier, *macaroon.caveats))
    return blake2b(text.encode(errors="surrogatepass") + macaroon.signature, digest_size=24).digest()
