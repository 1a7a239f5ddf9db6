"""The same random changes as in the unit tests, on MongoDB."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from runtime.mongo import MongoThreads, connect
from services.zone.domain.stores import Stores
from services.zone.store.mongo import MongoStores
from tests.support.membership_model import MembershipMachine

FEW = settings(max_examples=4, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def machine(mongo_url: str) -> type[MembershipMachine]:
    """One that makes a database for each run, and drops it after."""

    class MongoMachine(MembershipMachine):
        def make_stores(self) -> Stores:
            self.threads = MongoThreads()
            self.client = connect(mongo_url)
            self.database = f"test_{secrets.token_hex(6)}"
            stores = MongoStores(self.client, self.database, self.threads)
            self.run(stores.create_indexes())
            return stores

        def teardown(self) -> None:
            self.client.drop_database(self.database)
            self.run(self.threads.stop())
            self.client.close()
            super().teardown()

    return MongoMachine


def test_effective_rights_are_right_on_mongodb(machine: type[MembershipMachine]) -> None:
    run_state_machine_as_test(machine, settings=FEW)
