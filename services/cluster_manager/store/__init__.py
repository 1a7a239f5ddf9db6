"""Consul, seen as the catalog and the registers this service needs."""
