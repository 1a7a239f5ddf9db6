"""The doors of the zone: REST for users, gRPC for providers."""
