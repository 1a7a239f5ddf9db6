"""The kinds of storage this service can use, one a module, and the table of them."""
