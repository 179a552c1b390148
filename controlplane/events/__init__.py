"""What happened to a tenant, in order."""
