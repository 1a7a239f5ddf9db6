"""gRPC services: decode, ask, encode."""
