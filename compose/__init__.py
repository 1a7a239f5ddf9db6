"""The suite as containers, and the test that it works as such."""
