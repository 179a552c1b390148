"""Revisions, each beside its SQL."""
