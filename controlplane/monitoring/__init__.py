"""Observed state: conditions, and the health of the platform itself."""
