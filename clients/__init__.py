"""Clients of the services, shared where three of them need the same one, and the command line."""
