"""REST under `/api/v3/onezone`."""
