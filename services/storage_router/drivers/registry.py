"""The drivers by name: the one place that knows them all."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor

from runtime.errors import InvalidArgument
from services.storage_router.domain.drivers import Capabilities, Driver
from services.storage_router.drivers.posix import PosixDriver, check_mount_point


class Drivers:
    """Makes drivers. `pool` runs their blocking calls."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool

    def check(self, kind: str, parameters: Mapping[str, str]) -> dict[str, str]:
        """The parameters in their plain form. InvalidArgument when the driver cannot take them."""
        if kind != "posix":
            raise InvalidArgument("unknown driver", driver=kind, known="posix")
        unknown = sorted(set(parameters) - {"mount_point"})
        if unknown:
            raise InvalidArgument("unknown driver parameter", parameter=unknown[0], driver=kind)
        if "mount_point" not in parameters:
            raise InvalidArgument("missing driver parameter", parameter="mount_point", driver=kind)
        return {"mount_point": check_mount_point(parameters["mount_point"])}

    def make(
        self, kind: str, parameters: Mapping[str, str], secrets: Mapping[str, str], *, storage_id: str
    ) -> Driver:
        """A driver for one storage; nothing is touched yet."""
        checked = self.check(kind, parameters)
        return PosixDriver(checked["mount_point"], storage_id=storage_id, pool=self._pool)

    def capabilities(self, kind: str) -> Capabilities:
        """What drivers of this kind can do."""
        return PosixDriver.capabilities if kind == "posix" else Capabilities()
