from __future__ import annotations

import pytest

from services.storage_router.domain.drivers import Driver
from services.storage_router.drivers.memory import MemoryDriver
from tests.contract.drivers import DriverContract


class TestMemoryDriver(DriverContract):
    @pytest.fixture
    def driver(self) -> Driver:
        return MemoryDriver()
