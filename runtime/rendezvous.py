"""Which instance a key belongs to: highest random weight, so callers agree without talking.

When an instance leaves, only its own keys move, and they spread over all that stay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def ranking(routing_key: str, instance_ids: Iterable[str]) -> list[str]:
    """All instances, the owner of the key first, then who would own it if those before were gone."""
    key = routing_key.encode()
    return sorted(
        instance_ids, key=lambda instance_id: (_weight(key, instance_id), instance_id), reverse=True
    )


def owner(routing_key: str, instance_ids: Iterable[str]) -> str | None:
    """The instance that owns the key; None when there are none."""
    key = routing_key.encode()
    return max(instance_ids, key=lambda instance_id: (_weight(key, instance_id), instance_id), default=None)


def _weight(key: bytes, instance_id: str) -> bytes:
    return hashlib.blake2b(key, digest_size=8, key=instance_id.encode()[:64]).digest()
