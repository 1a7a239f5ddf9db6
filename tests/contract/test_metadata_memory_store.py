"""The stores in memory keep the promises."""

from __future__ import annotations

import pytest

from services.metadata.domain.stores import Stores
from services.metadata.store.memory import memory_stores
from tests.contract.metadata_copies import CopyStoreContract
from tests.contract.metadata_store import MetadataStoreContract


class TestMemoryStores(MetadataStoreContract, CopyStoreContract):
    @pytest.fixture
    def stores(self) -> Stores:
        return memory_stores()
