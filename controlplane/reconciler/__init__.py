"""Brings reality to the desired state, one pass after the other."""
