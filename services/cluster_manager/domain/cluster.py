"""The cluster of one provider, as its operators see it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from runtime.errors import Unavailable


class Health(Enum):
    """The worst of a member's checks."""

    PASSING = 1
    WARNING = 2
    CRITICAL = 3


@dataclass(frozen=True, slots=True)
class Member:
    """One instance of one service. `health_detail`: what its failing checks printed.

    `refused_writes`: why it takes no changes; empty while it does.
    """

    service: str
    instance_id: str
    address: str
    version: str
    started_at_ms: int
    pid: int
    health: Health
    health_detail: str = ""
    refused_writes: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checks of one member say."""

    health: Health
    detail: str


@dataclass(frozen=True, slots=True)
class Leader:
    """Who holds a duty that must run once."""

    duty: str
    instance_id: str
    fencing_token: int


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """`age_s`: how old the view of the members is; grows while the register is away."""

    members: tuple[Member, ...]
    leaders: tuple[Leader, ...]
    age_s: float


class Members(Protocol):
    """The view of the members that is always at hand."""

    def members(self) -> tuple[Member, ...]:
        """All that are registered, healthy or not."""

    @property
    def age_s(self) -> float:
        """Seconds since the register last confirmed the view; infinite before the first time."""


class Register(Protocol):
    """What must be asked for. Both raise Unavailable while the register is away."""

    async def verdicts(self) -> Mapping[str, Verdict]:
        """What the checks say now, by instance id."""

    async def leaders(self) -> tuple[Leader, ...]:
        """Holders of all duties that are held."""


class Cluster:
    """Answers for the whole cluster, also while Consul is away: then with what was known last."""

    def __init__(self, members: Members, register: Register) -> None:
        self._members = members
        self._register = register
        self._leaders: tuple[Leader, ...] = ()

    async def status(self) -> ClusterStatus:
        verdicts: Mapping[str, Verdict] = {}
        with contextlib.suppress(Unavailable):  # the age of the view tells
            verdicts = await self._register.verdicts()
            self._leaders = await self._register.leaders()
        members = tuple(
            _judged(member, verdicts.get(member.instance_id)) for member in self._members.members()
        )
        return ClusterStatus(members=members, leaders=self._leaders, age_s=self._members.age_s)


def _judged(member: Member, verdict: Verdict | None) -> Member:
    judged = replace(member, health=verdict.health, health_detail=verdict.detail) if verdict else member
    if judged.health is Health.PASSING and judged.refused_writes:
        detail = f"takes no changes: {judged.refused_writes}"
        return replace(judged, health=Health.WARNING, health_detail=detail)
    return judged
