"""`python -m services.cluster_manager`."""

from runtime.process import main
from services.cluster_manager.config import Settings
from services.cluster_manager.wiring import build

if __name__ == "__main__":
    main("cluster_manager", Settings, build)
