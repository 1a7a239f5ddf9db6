"""When writing stops, and when it begins again."""

from __future__ import annotations

from typing import Any

from runtime.mongo import DiskWatch

MIB = 1 << 20


def test_a_small_disk_needs_a_small_reserve() -> None:
    client: Any = None
    disk = DiskWatch(client, "db", reserve_bytes=512 * MIB)
    disk.learn(200 * MIB, 1024 * MIB)
    assert not disk.is_full
    disk.learn(100 * MIB, 1024 * MIB)
    assert disk.is_full
    disk.learn(110 * MIB, 1024 * MIB)
    assert disk.is_full
    disk.learn(130 * MIB, 1024 * MIB)
    assert not disk.is_full
