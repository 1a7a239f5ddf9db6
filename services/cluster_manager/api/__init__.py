"""gRPC edge: the discovery stream and the report for operators."""
