"""The Oneprovider REST API under `/api/v3/oneprovider`."""
