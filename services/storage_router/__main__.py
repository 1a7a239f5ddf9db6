"""`python -m services.storage_router`."""

from __future__ import annotations

from runtime.process import main
from services.storage_router.config import Settings
from services.storage_router.wiring import build

if __name__ == "__main__":
    main(Settings.service_name, Settings, build)
