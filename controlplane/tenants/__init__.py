"""Desired state of tenants."""
