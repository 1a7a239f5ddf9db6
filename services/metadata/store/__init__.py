"""What is kept: in MongoDB, and a twin in memory under the same tests."""
