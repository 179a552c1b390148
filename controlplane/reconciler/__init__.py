"""Brings reality to the desired state, one visit after the other."""
