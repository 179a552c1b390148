"""API keys of operators and tenants: created, listed and revoked by operators."""
