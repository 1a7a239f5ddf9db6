"""Signs tickets and says where a data port takes them."""

from __future__ import annotations

from isthmus.storage_router.v1 import tickets_pb2

from runtime import tickets
from runtime.auth import ClusterKey
from runtime.discovery import Watch


class TicketSigner:
    """URLs lead to a data port clients may reach directly; where none says so, through the front door."""

    def __init__(self, key: ClusterKey, watch: Watch, *, public_domain: str) -> None:
        self._key = key
        self._watch = watch
        self._public_url = f"https://{public_domain}"

    def issue(self, ticket: tickets_pb2.Ticket) -> str:
        """The URL of a ticket."""
        return f"{self._base_url()}{tickets.PATH_PREFIX}{tickets.sign(self._key, ticket)}"

    def _base_url(self) -> str:
        for instance in self._watch.instances:
            url = instance.meta.get("url", "")
            if instance.healthy and url:
                return url.rstrip("/")
        return self._public_url
