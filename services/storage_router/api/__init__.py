"""Storages for operators over gRPC, content for users over HTTP."""
