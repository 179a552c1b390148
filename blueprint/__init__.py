"""The vocabulary: what must exist for a tenant, derived by pure functions from its file."""
