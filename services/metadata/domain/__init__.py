"""The rules of the namespace, the types, and the stores they need. No I/O."""
