"""`python -m services.gateway`: read the settings, build, serve until told to stop."""

from __future__ import annotations

from runtime.process import main
from services.gateway.config import Settings
from services.gateway.wiring import build

if __name__ == "__main__":
    main("gateway", Settings, build)
