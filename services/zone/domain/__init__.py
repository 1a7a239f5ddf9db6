"""The rules of the zone; no I/O and no wire format."""
