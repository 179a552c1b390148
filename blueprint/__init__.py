"""Derives all resources of a tenant from its document, by pure functions."""
