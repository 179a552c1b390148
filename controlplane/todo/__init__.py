"""Actions that the reconciler waits for, over all tenants."""
