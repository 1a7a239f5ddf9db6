"""Which spaces this instance serves, by Consul's view of all instances."""

from __future__ import annotations

from collections import OrderedDict

from runtime.clock import Clock
from runtime.discovery import GAP_S, Instance, Watch
from runtime.rendezvous import owner
from services.metadata.domain.listing_versions import LONGEST_CHANGE_S

#: Owned for so long, a space is served by nobody else any more: all callers have heard of it.
SETTLE_S = 5.0
#: A view that Consul has not confirmed for so long may miss that the space went to another instance.
MAX_AGE_S = 30.0
#: Owned for so long in a view without a gap, a space is served by nobody else: views of others that have no
#: gap say so as well, and what was begun before has ended.
ALONE_AFTER_S = GAP_S + LONGEST_CHANGE_S
#: Spaces remembered; for others it counts since the last change of the instances.
MAX_REMEMBERED = 10_000


class WatchedOwnership:
    """Owns what rendezvous hashing gives this instance, as it does for every caller."""

    def __init__(self, watch: Watch, instance_id: str, clock: Clock) -> None:
        self._watch = watch
        self._instance_id = instance_id
        self._clock = clock
        self._healthy: tuple[str, ...] = ()
        self._changed_s = clock.monotonic_s()
        self._owned_since: OrderedDict[str, float | None] = OrderedDict()
        self._learn(watch.instances)
        watch.subscribe(self._learn)

    def owns(self, space_id: str) -> bool:
        """Whether all calls for the space have come here for a while."""
        if self._watch.age_s > MAX_AGE_S:
            return False
        since_s = self._since_s(space_id)
        return since_s is not None and self._clock.monotonic_s() - since_s > SETTLE_S

    def owned_for_s(self, space_id: str) -> float:
        """For how long the view of the instances has said so; 0 while it does not."""
        since_s = self._since_s(space_id)
        return 0.0 if since_s is None else self._clock.monotonic_s() - since_s

    def alone_since(self, space_id: str) -> float | None:
        """Since when it is certain that all calls come here; None while it is not."""
        since_s = self._since_s(space_id)
        if since_s is None:
            return None
        since_s = max(since_s, self._watch.steady_since_s)
        return since_s if self._clock.monotonic_s() - since_s > ALONE_AFTER_S else None

    def _since_s(self, space_id: str) -> float | None:
        try:
            return self._owned_since[space_id]
        except KeyError:
            since_s = self._changed_s if self._is_owner(space_id) else None
            self._remember(space_id, since_s)
            return since_s

    def _learn(self, instances: tuple[Instance, ...]) -> None:
        healthy = tuple(sorted(each.instance_id for each in instances if each.healthy))
        if healthy == self._healthy:
            return
        self._healthy = healthy
        self._changed_s = now_s = self._clock.monotonic_s()
        for space_id, since_s in self._owned_since.items():
            if not self._is_owner(space_id):
                self._owned_since[space_id] = None
            elif since_s is None:
                self._owned_since[space_id] = now_s

    def _is_owner(self, space_id: str) -> bool:
        return owner(space_id, self._healthy) == self._instance_id

    def _remember(self, space_id: str, since_s: float | None) -> None:
        self._owned_since[space_id] = since_s
        if len(self._owned_since) > MAX_REMEMBERED:
            self._owned_since.popitem(last=False)
