"""What this service asks of others: which instance owns a space."""
