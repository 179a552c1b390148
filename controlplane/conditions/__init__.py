"""Observed state of tenants and their parts."""
