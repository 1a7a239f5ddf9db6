"""`python -m services.metadata`."""

from __future__ import annotations

from runtime.process import main
from services.metadata.config import Settings
from services.metadata.wiring import build

if __name__ == "__main__":
    main(Settings.service_name, Settings, build)
