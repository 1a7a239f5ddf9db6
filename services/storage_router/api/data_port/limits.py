"""Bounds of the data port."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much, and how long, a client may keep the port busy. Times in seconds."""

    max_connections: int = 4096
    head_timeout_s: float = 15.0
    idle_timeout_s: float = 300.0
    stall_timeout_s: float = 60.0
    stop_timeout_s: float = 4.0
