"""`python -m services.zone`: read the settings, build, serve until told to stop."""

from __future__ import annotations

from runtime.process import main
from services.zone.config import Settings
from services.zone.wiring import build

if __name__ == "__main__":
    main("zone", Settings, build)
