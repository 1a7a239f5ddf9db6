"""Other parts of the provider, as the gateway needs them."""
