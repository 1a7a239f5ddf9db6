"""gRPC as all services use it: servers, channels, errors, and the multiplexed stream."""
