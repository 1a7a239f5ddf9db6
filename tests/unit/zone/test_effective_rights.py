"""Effective membership and privileges under random changes, against a plain model."""

from __future__ import annotations

from hypothesis import settings

from services.zone.domain.stores import Stores
from tests.support.membership_model import MembershipMachine
from tests.support.zone_stores import memory_stores


class MemoryMachine(MembershipMachine):
    def make_stores(self) -> Stores:
        return memory_stores()


TestEffectiveRights = MemoryMachine.TestCase
TestEffectiveRights.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
