"""Observed state: what is known of a tenant and its parts."""
