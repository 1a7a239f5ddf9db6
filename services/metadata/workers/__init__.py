"""Background duties, one a file; loops and timing are runtime.periodic's."""
