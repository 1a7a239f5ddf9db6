"""Whom the zone asks: identity providers."""
