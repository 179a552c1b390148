"""Reconciles tenants with their desired state, pass by pass."""
