"""What a CDMI 1.1.1 request means: addresses, versions, query fields, values and metadata. No I/O."""
