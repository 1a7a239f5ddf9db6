"""Whether a provider takes changes at the moment.

Metadata says so in what it registers with Consul, so all who pass requests on know it within a moment, and
refuse a change before they look at anything else of it.
"""

from __future__ import annotations

from collections.abc import Callable

from runtime.discovery import Watch

#: What an instance says about itself while it writes nothing, and why.
REFUSED_WRITES = "refused_writes"
DATABASE_FULL = "the disk of the database is full"

#: Why changes are refused; empty while they are taken.
Breaker = Callable[[], str]


def of_watch(watch: Watch) -> Breaker:
    """The breaker of a provider whose metadata instances this watch knows: they share one database."""

    def why() -> str:
        return next((why for each in watch.instances if (why := each.meta.get(REFUSED_WRITES))), "")

    return why


def closed() -> str:
    """A breaker that lets everything pass."""
    return ""
