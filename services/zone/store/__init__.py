"""What the zone keeps: MongoDB, and its twin in memory for tests and trials."""
