"""What this service keeps: storages, supports and how far sweeps came."""
