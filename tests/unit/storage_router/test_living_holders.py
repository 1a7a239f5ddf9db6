"""Who may be receiving uploads, as far as Consul tells."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from runtime.discovery import Instance
from services.storage_router.clients.removals import LivingHolders


@dataclass
class WatchTwin:
    """Knows the instances it is told."""

    instances: tuple[Instance, ...]
    age_s: float = 1.0


def data_port(number: int, **meta: str) -> Instance:
    return Instance("data_port", f"data_port-{number}", "127.0.0.1", 9000 + number, meta=meta)


def test_registered_processes_and_the_own_one_are_alive() -> None:
    watch = WatchTwin((data_port(1, holder="p1"), data_port(2, holder="p2")))
    assert LivingHolders(watch, "own")() == {"p1", "p2", "own"}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "watch",
    [
        WatchTwin((data_port(1, holder="p1"),), age_s=60.0),
        WatchTwin((data_port(1, holder="p1"), data_port(2))),
        WatchTwin((), age_s=float("inf")),
    ],
)
def test_nobody_is_taken_for_dead_without_proof(watch: WatchTwin) -> None:
    assert LivingHolders(watch, "own")() == ()  # type: ignore[arg-type]
