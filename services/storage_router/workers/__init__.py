"""Background duties: removing, sweeping, probing, looking for new storages."""
