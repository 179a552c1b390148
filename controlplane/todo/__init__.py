"""What somebody has to do before the reconciler can go on, over all tenants."""
