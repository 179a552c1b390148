"""Events of tenants, in order."""
