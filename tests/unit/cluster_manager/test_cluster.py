"""The report for operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from isthmus.cluster_manager.v1 import cluster_pb2

from runtime.auth import as_caller
from runtime.errors import PermissionDenied, Unavailable
from runtime.identity import Identity, Kind
from services.cluster_manager.api.cluster import ClusterServicer
from services.cluster_manager.domain.cluster import Cluster, Health, Leader, Member, Verdict

MEMBER = Member("gateway", "gateway-1", "127.0.0.1:1", "0.1.0", 5, 7, Health.CRITICAL)
LEADER = Leader("reaper", "metadata-1", 3)


class Members:
    age_s = 1.5

    def members(self) -> tuple[Member, ...]:
        return (MEMBER,)


class Register:
    """A register that can go away."""

    is_away = False

    async def verdicts(self) -> Mapping[str, Verdict]:
        if self.is_away:
            raise Unavailable
        return {"gateway-1": Verdict(Health.WARNING, "slow")}

    async def leaders(self) -> tuple[Leader, ...]:
        return (LEADER,)


async def test_checks_say_how_a_member_is() -> None:
    status = await Cluster(Members(), Register()).status()
    assert [(each.health, each.health_detail) for each in status.members] == [(Health.WARNING, "slow")]
    assert status.leaders == (LEADER,)


async def test_last_knowledge_is_told_while_consul_is_away() -> None:
    register = Register()
    cluster = Cluster(Members(), register)
    await cluster.status()
    register.is_away = True
    status = await cluster.status()
    assert status.members == (MEMBER,)
    assert status.leaders == (LEADER,)


async def ask_as(kind: Kind) -> cluster_pb2.GetClusterStatusResponse:
    servicer = ClusterServicer(Cluster(Members(), Register()), provider_id=lambda: "p", version="0.1.0")
    with as_caller(Identity(kind=kind, subject_id="x"), b""):
        return await servicer.GetClusterStatus(cluster_pb2.GetClusterStatusRequest(), None)


async def test_answer_carries_the_age_of_the_view() -> None:
    answer = await ask_as(Kind.OPERATOR)
    assert answer.catalog_age_ms == 1500
    assert answer.members[0].health == cluster_pb2.MEMBER_HEALTH_WARNING


async def test_users_do_not_see_the_cluster() -> None:
    with pytest.raises(PermissionDenied):
        await ask_as(Kind.USER)


async def test_a_member_that_takes_no_changes_is_a_warning() -> None:
    class Refusing(Members):
        def members(self) -> tuple[Member, ...]:
            return (replace(MEMBER, health=Health.PASSING, refused_writes="the disk is full"),)

    class Content(Register):
        async def verdicts(self) -> Mapping[str, Verdict]:
            return {}

    (member,) = (await Cluster(Refusing(), Content()).status()).members
    assert (member.health, member.health_detail) == (Health.WARNING, "takes no changes: the disk is full")
