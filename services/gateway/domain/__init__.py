"""The rules of the two HTTP languages: which attributes there are, what a CDMI request means. No I/O."""
