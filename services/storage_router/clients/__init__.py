"""Metadata and the zone as this service needs them."""
